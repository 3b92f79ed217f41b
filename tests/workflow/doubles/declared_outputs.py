"""Test double of the scripts that make a potential: declared outputs, no physics."""

from pathlib import Path

from ionsieve.artifacts import write_json, write_text


def main(snakemake) -> None:
    for path in snakemake.output:
        if Path(path).suffix == ".json":
            write_json(path, {"status": "ok", "reason": None})
        else:
            write_text(path, f"no result: double of {path}\n")


if __name__ == "__main__":
    from ionsieve.job import run

    run(main, snakemake)
