"""The report as PDF, by WeasyPrint where it is installed."""

import importlib
from pathlib import Path
from typing import Any

from aiops.errors import AiopsError
from aiops.files import atomic


def write_pdf(page: Path, path: Path) -> Path:
    """Write an HTML page of a run as PDF; what is closed on the screen is printed too.

    Parameters
    ----------
    page : Path
        The page, such as ``report.html``.
    path : Path
        Where the PDF shall be.

    Raises
    ------
    AiopsError
        If WeasyPrint, or the Pango library it draws text with, is not installed.
    """
    weasyprint = _weasyprint()
    text = page.read_text(encoding="utf-8")
    # A page holds all it needs: no file and no address is opened for it.
    fetcher = weasyprint.urls.URLFetcher(allowed_protocols=("data",))
    with atomic(path) as temporary:
        weasyprint.HTML(string=text, url_fetcher=fetcher).write_pdf(temporary)
    return path


def _weasyprint() -> Any:
    try:
        return importlib.import_module("weasyprint")
    except ImportError as fault:
        raise AiopsError(
            "a PDF needs WeasyPrint, which is not installed",
            where="aiops report --pdf",
            fix="pip install 'clinical-aiops[pdf]', or print report.html from a browser",
        ) from fault
    except OSError as fault:  # its C library is looked for when it is imported
        raise AiopsError(
            "WeasyPrint does not find the Pango library, with which it draws text",
            where="aiops report --pdf",
            fix="Debian, Ubuntu: apt install libpango-1.0-0 libpangoft2-1.0-0; or print "
            "report.html from a browser",
        ) from fault
