"""The sections of the page: for each a module that fills it and a template of the same name."""
