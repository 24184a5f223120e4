import dataclasses

import pytest

from genesem_train.report import write_figures, write_html
from genesem_train.report.figures.domains import domain_names

OFFLINE = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)


@pytest.fixture(params=[{}, {"n_seeds": 1, "labelled": False, "semantics": False}], ids=["whole", "bare"])
def report(request, report_inputs, tmp_path, monkeypatch):
    monkeypatch.setattr("genesem_train.report.figures.latent.umap_points", lambda latent: latent[:, :2])
    inputs = dataclasses.replace(report_inputs(300, **request.param), name="a <slide> & more")
    figures = write_figures(inputs, tmp_path / "figures")
    return write_html(inputs, figures, tmp_path / "report.html"), figures


def test_the_page_carries_everything_itself(report):
    page = report[0].read_text("utf-8")
    assert "<script" not in page
    assert "://" not in page
    assert "a &lt;slide&gt; &amp; more" in page
    assert page.count("data:image/png;base64,") == len(report[1])


def test_the_page_tells_markers_and_how_far_a_graph_is_approximate(report_inputs, tmp_path):
    inputs = report_inputs(300)
    inputs = dataclasses.replace(inputs, metrics={**inputs.metrics, "graph": {"feature_recall": 0.9666}})
    page = write_html(inputs, [], tmp_path / "report.html").read_text("utf-8")
    assert "96.7%" in page
    assert "GENE0, GENE1" in page


def test_a_domain_is_called_what_its_colour_is_in_the_maps(report_inputs, tmp_path):
    inputs = report_inputs(300)
    domains = inputs.annotation.codes.astype(int) + 1  # 0 where there is no label, then the labels in their order
    inputs = dataclasses.replace(inputs, domains=domains)
    assert domain_names(inputs)[1:4] == ["domain 1 (L1)", "domain 2 (L2)", "domain 3 (L3)"]
    assert domain_names(inputs)[0] == "domain 0 (other domain 1)"
    assert "domain 3 (L3)" in write_html(inputs, [], tmp_path / "report.html").read_text("utf-8")
    assert domain_names(report_inputs(300, labelled=False))[0] == "domain 0"


@pytest.mark.parametrize(
    ("mode", "shown", "hidden"), [("faithful", "graph", "smoothing"), ("improved", "smoothing", "graph")]
)
def test_the_page_lists_the_settings_that_the_mode_reads(report_inputs, tmp_path, mode, shown, hidden):
    config = {"mode": mode, "graph": {"spatial_k": 15}, "smoothing": {"slack": 1.0}}
    inputs = dataclasses.replace(report_inputs(300), config=config)
    page = write_html(inputs, [], tmp_path / "report.html").read_text("utf-8")
    assert f"[{shown}]" in page
    assert f"[{hidden}]" not in page


@pytest.mark.browser
@pytest.mark.parametrize("width", [1200, 380], ids=["desk", "phone"])
def test_chromium_shows_every_figure_offline(report, chromium, width):
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    page_path, figures = report
    fetched, complaints = [], []
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=list(OFFLINE))
        context = browser.new_context(viewport={"width": width, "height": 900})
        context.set_offline(True)
        page = context.new_page()
        page.on("request", lambda request: fetched.append(request.url))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(page_path.as_uri())
        sizes = page.eval_on_selector_all("img", "all => all.map(i => [i.complete, i.naturalWidth, i.naturalHeight])")
        overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        browser.close()
    assert len(sizes) == len(figures)
    assert all(done and wide > 100 and high > 100 for done, wide, high in sizes)
    assert [url for url in fetched if not url.startswith("data:")] == [page_path.as_uri()]
    assert complaints == []
    assert overflow <= 0
