"""What the site makes of the repository: pages from beyond docs/, the notebook, and equations as MathML.

MkDocs calls these functions by their names (https://www.mkdocs.org/user-guide/configuration/#hooks). Links in
the repository's files are those that GitHub follows; here they lead to the pages that come of the files.
"""

import html
import json
import posixpath
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
# Files of the repository that are pages of the site.
OUTSIDE = {
    "benchmarks/README.md": "benchmarks.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
NOTEBOOK = "tutorial.ipynb"

_LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)\s]*)?\))")
_EQUATION = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add pages from beyond docs/, and take the notebook as a page."""
    for source, page in OUTSIDE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    notebook = files.get_file_from_path(NOTEBOOK)
    if notebook is not None:
        files.remove(notebook)
        text = notebook_markdown(json.loads(notebook.content_string))
        files.append(_NotebookPage.generated(config, NOTEBOOK, content=text))
    return files


class _NotebookPage(File):
    """A page whose source is no Markdown file by its name."""

    def is_documentation_page(self) -> bool:
        return True


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to files beyond docs/ to their pages."""
    here = page.file.src_uri
    source = next((name for name, target in OUTSIDE.items() if target == here), f"docs/{here}")

    def led(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[2]))
        if target in OUTSIDE:
            return link[1] + OUTSIDE[target] + link[3]
        if source in OUTSIDE and target.startswith("docs/"):
            return link[1] + target.removeprefix("docs/") + link[3]
        return link[0]

    return _LINK.sub(led, markdown)


def on_page_content(content: str, **_: Any) -> str:
    """Equations as MathML, which browsers draw without a script."""
    return _EQUATION.sub(
        lambda found: convert(
            html.unescape(found[3]).strip(), display="block" if found[2] == "[" else "inline"
        ),
        content,
    )


def notebook_markdown(notebook: dict[str, Any]) -> str:
    """A notebook as Markdown: text, code, and what the code printed where that is kept."""
    parts = []
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(text)
        elif cell["cell_type"] == "code":
            parts.append(f"```python\n{text}\n```")
            parts.extend(f"```text\n{printed}\n```" for printed in _printed(cell["outputs"]))
    return "\n\n".join(parts)


def _printed(outputs: list[dict[str, Any]]) -> list[str]:
    texts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs]
    return [text for lines in texts if (text := "".join(lines).rstrip())]
