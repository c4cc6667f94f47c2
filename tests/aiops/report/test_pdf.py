import base64
import importlib

import pytest
from PIL import Image

from aiops.errors import AiopsError
from aiops.report import pdf


def test_without_weasyprint_the_remedy_is_named(tmp_path, monkeypatch):
    def gone(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", gone)
    with pytest.raises(AiopsError, match="needs WeasyPrint") as fault:
        pdf.write_pdf(tmp_path / "report.html", tmp_path / "report.pdf")
    assert "pip install 'clinical-aiops[pdf]'" in fault.value.fix


def test_without_its_library_the_remedy_is_named(tmp_path, monkeypatch):
    def gone(name):
        raise OSError("cannot load library 'libpango-1.0-0'")

    monkeypatch.setattr(importlib, "import_module", gone)
    with pytest.raises(AiopsError, match="Pango") as fault:
        pdf.write_pdf(tmp_path / "report.html", tmp_path / "report.pdf")
    assert "libpango" in fault.value.fix


def test_a_page_becomes_a_pdf_and_opens_no_file(tmp_path):
    pytest.importorskip("weasyprint")
    picture = tmp_path / "pixel.png"
    Image.new("L", (4, 4)).save(picture)
    data = base64.b64encode(picture.read_bytes()).decode("ascii")
    sizes = {}
    for name, source in (("none", ""), ("file", picture.as_uri()),
                         ("data", f"data:image/png;base64,{data}")):  # fmt: skip
        page = tmp_path / f"{name}.html"
        page.write_text("<h1>Verdict</h1>" + (f"<img src='{source}'>" if source else ""))
        path = pdf.write_pdf(page, tmp_path / f"{name}.pdf")
        assert path.read_bytes().startswith(b"%PDF-")
        sizes[name] = path.read_bytes().count(b"/Image")
    assert sizes == {"none": 0, "file": 0, "data": 1}
