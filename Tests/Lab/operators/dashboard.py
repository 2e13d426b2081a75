"""The dashboard of a gateway in a real browser: what it shows, for whom, on which screens. Pictures of it go to results/dashboard."""

import contextlib
import http.server
import json
import threading

from harness.data import Server, echo, echo_works
from harness.gateway import ADDRESSES, Pair, Tunnel
from harness.lab import ROOT, check, wait_until
from harness.runner import test

from .browser import Browser

PORT = 9478
HOME = f"http://127.0.0.1:{PORT}/"
PICTURES = ROOT / "results/dashboard"
SENTENCE = "document.getElementById('sentence').textContent"
TILE = "[...document.querySelectorAll('#tiles > div')].find(each => each.firstChild.textContent === '{}').lastChild.textContent"
# What the browser itself says of a gateway that is gone.
GONE = ("error: Failed to load resource: net::ERR_",)


def pair(run, extra=""):
    tunnel = Tunnel("web", run.port(), run.port())
    return Pair(run.lab, run.directory / "pair", [tunnel], extra=extra), tunnel


def server(run, tunnel):
    return Server(run.lab, "b", int(tunnel.target.split(":")[1]), echo)


def says(browser, words, seconds=60.0):
    """Until the sentence on top has these words."""
    browser.until(f"{SENTENCE}.includes({json.dumps(words)})", f"the page says {words!r}", seconds)


def is_quiet(browser, but=()):
    """No word of the page or the browser on the console, and nothing asked of anybody else."""
    said = [each for each in browser.said if not each.startswith(tuple(but))]
    check(not said, f"the console has: {said}")
    foreign = [each for each in browser.requests if not each.startswith((HOME, "data:"))]
    check(not foreign, f"the page asked for {foreign}")


@contextlib.contextmanager
def traffic(two, tunnel):
    """Something goes through the tunnel all the time."""
    over = threading.Event()

    def go():
        with contextlib.suppress(OSError), two.connect(tunnel) as connection:
            while not over.is_set():
                connection.sendall(bytes(20_000))
                left = 20_000
                while left and not over.is_set():
                    left -= len(connection.recv(min(left, 65_536)))
                over.wait(0.01)
    thread = threading.Thread(target=go)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@test(cells=("clean",))
def dashboard_tells_what_goes_on(run):
    """Health in words, figures and charts of real traffic; a peer that dies, comes back, and the gateway that does"""
    two, tunnel = pair(run)
    with two, server(run, tunnel):
        with two.connect(tunnel) as connection:
            echo_works(connection)
        browser = Browser(run, "a", "chromium")
        browser.size(1280, 900)
        browser.open(HOME)
        says(browser, "edge-1 is healthy")
        # A page of many files leaves the places of others free, long before they end by themselves (30 s).
        wait_until(lambda: run.lab.connections("a", PORT) <= 1, "the browser holds one connection", 10.0)
        with traffic(two, tunnel):
            browser.until(f"/[kM]bit/.test({TILE.format('Out')}) && /[kM]bit/.test({TILE.format('In')})", "there are rates")
            points = "[...document.querySelectorAll('{} path.line[data-points]')].map(each => +each.dataset.points)"
            browser.until(f"{points.format('#throughput')}.filter(each => each >= 4).length === 2", "both lines of throughput")
            browser.until(f"{points.format('#rtt')}.filter(each => each >= 4).length === 2", "both lines of round trips")
            browser.until("document.querySelector('#tunnels tbody tr').textContent.includes('active')", "the tunnel works")
            check(browser.evaluate(TILE.format("Peers connected")) == "1 of 1", "one peer")
            browser.until("document.querySelector('#peers tbody tr').textContent.includes('Mbit/s')", "the peer's rates")
            browser.picture(PICTURES / "desktop.png")
        check(browser.evaluate("document.querySelector('#topology .spot').getAttribute('aria-label')").startswith("cloud-1: direct"), "topology")
        check("cloud-1 is connected" in browser.evaluate("document.getElementById('events').innerText"), "an event")
        is_quiet(browser)
        two.b.kill9()
        says(browser, "edge-1 is NOT healthy", 120.0)
        problems = browser.evaluate("document.getElementById('problems').innerText")
        check("cloud-1" in problems and "dxgateway explain cloud-1" in problems, problems)
        browser.until("document.querySelector('#topology .node.down, #topology .node.connecting') !== null", "another shape")
        browser.until("document.querySelector('#events li').textContent.includes('cloud-1')", "an event on top")
        check(browser.evaluate("document.title").startswith("! "), "the title of the tab")
        browser.picture(PICTURES / "trouble.png")
        two.b.start()
        two.wait_working(tunnel, echo_works)
        says(browser, "edge-1 is healthy")
        is_quiet(browser)
        two.a.stop()
        banner = "document.getElementById('gone')"
        browser.until(f"!{banner}.hidden && {banner}.textContent.startsWith('edge-1 is not reachable since')", "it says that the gateway is gone")
        browser.picture(PICTURES / "gone.png")
        two.a.start()
        two.wait_ready()
        browser.until(f"{banner}.hidden", "the gateway is there again")
        says(browser, "edge-1 is healthy")
        # Counters began anew: no rate of before is told, and the lines have a gap.
        browser.until(f"{points.format('#throughput')}.length >= 4", "lines go on after a gap")
        is_quiet(browser, but=GONE)
        return f"{len(browser.requests)} requests"


FOCUSED = """(() => { const node = document.activeElement; if (!node || node === document.body) return null;
  const style = getComputedStyle(node), target = node.querySelector('.target');
  const seen = style.outlineStyle !== 'none' || (target && getComputedStyle(target).strokeWidth === '3px');
  node.dataset.walked = 1; return {name: node.id || node.className.baseVal || node.textContent.slice(0, 30) || node.tagName, seen: Boolean(seen)}; })()"""
REACHABLE = """[...document.querySelectorAll('a[href], button, input, select, [tabindex="0"]')]
  .filter(each => !each.closest('dialog, [hidden]') && each.getClientRects().length)"""


RATES = """import('/dashboard/history.js').then(({History}) => {
  const history = new History(), rates = [];
  const say = (at, uptime, sent, id = 'x') => {
    const peers = Object.entries(sent).map(([name, bytes]) => ({name, state: 'connected', rtt_us: 1000, sent: bytes, received: 0}));
    history.add({id, uptime_seconds: uptime, peers, tunnels: []}, at);
    rates.push(history.newest.out);
  };
  say(0, 10, {p: 1000});
  say(2, 12, {p: 3000});
  say(3, 12, {p: 3000});
  say(4, 14, {p: 500, q: 9000});
  say(6, 16, {p: 700, q: 9200});
  say(8, 1, {p: 900});
  say(10, 3, {p: 1900});
  say(12, 5, {p: 9900}, 'y');
  history.miss(14);
  history.miss(16);
  const count = history.samples.length;
  say(608, 7, {p: 9902}, 'y');
  return {rates, count, first: history.samples[0].at};
})"""


@test(cells=("clean",))
def dashboard_tells_rates_of_what_it_saw(run):
    """Of counters that begin anew, peers that come, a gateway that is started anew or another one no rate is told; ten minutes are kept"""
    two, _ = pair(run)
    with two:
        browser = Browser(run, "a", "chromium")
        wait_until(lambda: run.lab.listening("a", PORT), "the page", 60.0, alive=[two.a.process])
        browser.open(HOME)
        says(browser, "edge-1")
        found = browser.evaluate(RATES)
        # What was seen already counts once; of p and q each is told as soon as it has two counts.
        check(found["rates"] == [None, 1000, 1000, None, 200, None, 500, None, 1], f"{found}")
        check(found["count"] == 8 and found["first"] == 8, f"{found}")
        return f"{len(found['rates'])} rates"


@test(cells=("clean",))
def dashboard_suits_keyboards_and_phones(run):
    """All can be reached and seen by Tab, works by Enter and arrows; no sideways scrolling at 360 px; dark and light; no motion"""
    two, tunnel = pair(run)
    with two, server(run, tunnel):
        browser = Browser(run, "a", "chromium")
        browser.media(prefers_color_scheme="light", prefers_reduced_motion="reduce")
        browser.size(1280, 900)
        browser.open(HOME)
        says(browser, "edge-1 is healthy")
        browser.until("document.querySelectorAll('#throughput path.line[data-points]').length", "a line")
        walked = []
        for _ in range(100):
            browser.press("Tab")
            focused = browser.evaluate(FOCUSED)
            if focused is None:
                break
            check(focused["seen"], f"the focus cannot be seen at {focused['name']}")
            walked.append(focused["name"])
        missed = browser.evaluate(f"{REACHABLE}.filter(each => !each.dataset.walked).map(each => each.outerHTML.slice(0, 80))")
        check(not missed and len(walked) > 20, f"Tab went to {walked}, and not to {missed}")
        # Sorting, filtering, charts and the topology, without a pointer.
        browser.evaluate("document.querySelector('#peers thead button').focus()")
        browser.press("Enter")
        check(browser.evaluate("document.querySelector('#peers thead th').getAttribute('aria-sort')") == "ascending", "sorted")
        browser.press("Enter")
        check(browser.evaluate("document.querySelector('#peers thead th').getAttribute('aria-sort')") == "descending", "the other way round")
        browser.evaluate("document.querySelector('#throughput .plot').focus()")
        browser.press("ArrowLeft")
        label = browser.evaluate("document.querySelector('#throughput .plot').getAttribute('aria-label')")
        check(label[2] == ":" and "out" in label, f"the chart at a moment: {label}")
        browser.evaluate("document.querySelector('#topology .spot').focus()")
        browser.press("Enter")
        check(browser.evaluate("document.activeElement.id + document.activeElement.value") == "peers-filtercloud-1", "the peer's row")
        browser.type("zzz")
        check(browser.evaluate("document.querySelectorAll('#peers tbody tr').length") == 0, "a filter that nothing fits")
        check(browser.evaluate("getComputedStyle(document.getElementById('theme')).transitionDuration") == "0s", "motion")
        grounds = {}
        for wanted in ("light", "dark"):
            browser.media(prefers_color_scheme=wanted)
            grounds[wanted] = browser.evaluate("getComputedStyle(document.body).backgroundColor")
        check(len(set(grounds.values())) == 2, f"{grounds}")
        browser.evaluate("document.getElementById('theme').focus()")
        browser.press("Enter")
        check(browser.evaluate("getComputedStyle(document.body).backgroundColor") == grounds["light"], "light, whatever the system wants")
        browser.press("Enter")
        browser.media(prefers_color_scheme="light")
        check(browser.evaluate("getComputedStyle(document.body).backgroundColor") == grounds["dark"], "dark, whatever the system wants")
        browser.evaluate("document.getElementById('peers-filter').value = ''; document.getElementById('peers-filter').dispatchEvent(new Event('input'))")
        browser.picture(PICTURES / "dark.png")
        browser.press("Enter")
        for width in (360, 480, 700, 1024):
            browser.size(width, 760, phone=width < 700)
            browser.until(f"innerWidth === {width} && document.querySelector('#topology svg').clientWidth <= {width}", "drawn anew")
            wide = browser.evaluate("document.documentElement.scrollWidth")
            check(wide <= width, f"{wide} px at {width}")
            if width == 360:
                browser.picture(PICTURES / "phone.png")
                small = browser.evaluate(f"{REACHABLE}.filter(each => each.matches('button, input, select')"
                                         " && each.getBoundingClientRect().height < 32).map(each => each.outerHTML.slice(0, 60))")
                check(not small, f"too small for a finger: {small}")
        is_quiet(browser)
        return f"{len(walked)} stops of Tab"


EVIL = "<img src=x onerror=\"window.hacked=1\"><script>window.hacked=1</script>'\"><svg onload=window.hacked=1>"


def evil(state):
    """The same state in which every text that comes from elsewhere is a try to be run."""
    def fill(value, key=None):
        if isinstance(value, dict):
            return {each: fill(inner, each) for each, inner in value.items()}
        if isinstance(value, list):
            return [fill(inner, key) for inner in value]
        return EVIL if isinstance(value, str) and key not in ("time", "since", "tone", "kind", "role") else value
    state = fill(state)
    for number, peer in enumerate(state["peers"]):
        peer |= {"name": f"{EVIL}{number}", "state": ["connected", "down", EVIL][number % 3], "through": EVIL, "error": EVIL}
    state["group"] = {"name": EVIL, "revision": 1, "members": 2}
    return state


def fleet(state, count):
    """The same state with many peers."""
    one = state["peers"][0]
    state["peers"] = [
        one | {"name": f"device-{number:03}", "state": "down" if number < 3 else "connected", "rtt_us": 2_000 + number * 150,
               "path": ["direct", "lan", "forwarded"][number % 3], "through": "hub" if number % 3 == 2 else None}
        for number in range(count)]
    state["counts"] |= {"peers": count, "connected": count - 3}
    return state


@test(cells=("clean",))
def dashboard_runs_nothing_that_it_is_told(run):
    """Names and reasons that are markup are shown as they are; the policy stops what would be; 500 peers are folded"""
    two, tunnel = pair(run)
    with two, server(run, tunnel):
        browser = Browser(run, "a", "chromium")
        browser.size(1280, 900)
        browser.open(HOME)
        says(browser, "edge-1 is healthy")
        state = json.loads(browser.evaluate("fetch('/dashboard.json').then(answer => answer.text())"))
        check(state["name"] == "edge-1" and len(state["peers"]) == 1, f"{state}")
        browser.instead("/dashboard.json", json.dumps(evil(state | {"peers": state["peers"] * 5, "uptime_seconds": 1e6})))
        says(browser, "<script>")
        for place in ("#name", "#sentence", "#peers tbody", "#tunnels tbody", "#events", "#tiles"):
            check("<img src=x" in browser.evaluate(f"document.querySelector('{place}').textContent"), f"{place} does not show what it was told")
        check(browser.evaluate("document.querySelectorAll('main img, main script').length") == 0, "markup became elements")
        check(browser.evaluate("typeof window.hacked") == "undefined", "what it was told was run")
        is_quiet(browser)
        browser.instead("/dashboard.json", json.dumps(fleet(state, 500) | {"uptime_seconds": 2e6}))
        browser.until("document.querySelector('#peers').textContent.includes('500 peers')", "500 peers")
        spots = browser.evaluate("[...document.querySelectorAll('#topology .spot')].map(each => each.getAttribute('aria-label'))")
        check(len(spots) == 6 and sum("direct" in each for each in spots) == 1, f"{spots}")
        browser.evaluate("document.querySelector('#topology .spot[aria-label*=\" lan\"]').focus()")
        browser.press("Enter")
        found = browser.evaluate("document.querySelector('#peers .quiet').textContent")
        check("of 166 found, 500 peers in all" in found or "of 165 found, 500 peers in all" in found, found)
        browser.evaluate("document.getElementById('peers-group').value = ''; document.getElementById('peers-group').dispatchEvent(new Event('change'))")
        browser.picture(PICTURES / "fleet.png", height=1_500)
        browser.size(360, 760, phone=True)
        browser.until("document.documentElement.scrollWidth <= 360 && document.querySelector('#topology svg').clientWidth <= 360", "it fits a phone")
        browser.picture(PICTURES / "fleet-phone.png", height=1_500)
        browser.instead("/dashboard.json", None)
        is_quiet(browser)
        # Were something let through all the same: scripts in the page and other servers are out of reach.
        browser.evaluate("(() => { const s = document.createElement('script'); s.textContent = 'window.hacked = 1'; document.body.append(s); })()")
        check(browser.evaluate("typeof window.hacked") == "undefined", "a script in the page was run")
        outcome = browser.evaluate(f"fetch('http://{ADDRESSES['b']}:1/').then(() => 'sent', error => error.name)")
        check(outcome == "TypeError" and any("Content Security Policy" in each for each in browser.said), f"{outcome} {browser.said}")
        return f"{len(spots)} groups and peers of 500"


SNOOP = """<!doctype html><title>snoop</title><body><script>
window.found = [];
const HOME = "http://127.0.0.1:9478";
async function snoop() {
  for (const mode of ["cors", "no-cors"]) for (const path of ["/dashboard.json", "/metrics", "/"])
    await fetch(HOME + path, {mode}).then(async answer => found.push(mode + path + " " + answer.type + " " + (await answer.text()).length), () => 0);
  await new Promise(done => { const s = document.createElement("script"); s.onload = s.onerror = done; s.src = HOME + "/dashboard/app.js"; document.body.append(s); });
  await new Promise(done => { const i = document.createElement("iframe"); i.onload = done; i.src = HOME + "/"; document.body.append(i); });
  window.over = true;
}
snoop();
</script>"""


class _Snoop(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(SNOOP.encode())

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def snooping_site(run, port):
    """Somebody else's page, at a port of host a."""
    site = http.server.ThreadingHTTPServer(("127.0.0.1", port), _Snoop, bind_and_activate=False)
    site.socket.close()
    site.socket = run.lab.listen("a", port)
    thread = threading.Thread(target=site.serve_forever)
    thread.start()
    try:
        yield
    finally:
        site.shutdown()
        thread.join()
        site.server_close()


@test(cells=("clean",))
def dashboard_refuses_other_sites(run):
    """A name that was led to the loopback gets 421, pages of another site get nothing by any way that browsers have"""
    two, tunnel = pair(run)
    port = run.port()
    with two, server(run, tunnel), snooping_site(run, port):
        browser = Browser(run, "a", "chromium", "--host-resolver-rules=MAP evil.example 127.0.0.1")
        wait_until(lambda: run.lab.listening("a", PORT), "the page", 60.0, alive=[two.a.process])
        browser.open(f"http://evil.example:{PORT}/")
        browser.until("document.readyState === 'complete'", "an answer")
        shown = browser.evaluate("document.documentElement.innerText")
        check((f"http://evil.example:{PORT}/", 421) in browser.statuses and "edge-1" not in shown, f"{browser.statuses} {shown!r}")
        got = browser.evaluate("fetch('/dashboard.json').then(answer => answer.status, error => error.name)")
        check(got == 421 or got == "TypeError", f"its own page by another name: {got}")
        browser.open(f"http://evil.example:{port}/")
        browser.until("window.over", "the other site has tried all")
        found = browser.evaluate("window.found")
        # Without CORS a page may send, and is told nothing: not even an opaque answer, which Cross-Origin-Resource-Policy keeps from it.
        check(found == [], f"another site read {found}")
        # And it was not even made for them.
        asked = [status for url, status in browser.statuses if url in (f"{HOME}dashboard.json", f"{HOME}metrics")]
        check(asked == [403] * 4, f"answers to another site: {browser.statuses}")
        framed = browser.evaluate("(() => { try { return document.querySelector('iframe').contentWindow.document.body.innerText } catch (error) { return error.name } })()")
        check(framed == "SecurityError" and any("frame" in each for each in browser.said), f"a frame: {framed} {browser.said}")
        browser.open(HOME)
        says(browser, "edge-1 is healthy")
        return f"{len(browser.statuses)} answers"


@test(cells=("clean",))
def dashboard_asks_for_its_token(run):
    """From another host: the token is asked for, a wrong one refused, the right one kept for the tab; it is in no log"""
    token = "kept-in-a-file-0123456789"
    two, tunnel = pair(run, extra='metrics: {address: ":9478", token: ../token}\n')
    file = run.directory / "pair/token"
    file.write_text(token + "\n")
    file.chmod(0o600)
    home = f"http://{ADDRESSES['a']}:{PORT}/"
    with two, server(run, tunnel):
        wait_until(lambda: run.lab.listening("a", PORT), "the page", 60.0, alive=[two.a.process])
        browser = Browser(run, "b", "chromium")
        browser.size(1280, 900)
        browser.open(home)
        browser.until("document.getElementById('ask').open && document.activeElement.id === 'token'", "the page asks for the token")
        check("edge-1" not in browser.evaluate("document.body.innerText"), "something is told before")
        browser.picture(PICTURES / "token.png")
        browser.type("not-the-token-0123456789")
        browser.press("Enter")
        browser.until("document.getElementById('ask').open && document.getElementById('ask-trouble').textContent === 'That is not the token.'", "a wrong token")
        browser.type(token)
        browser.press("Enter")
        says(browser, "edge-1 is healthy")
        kept = browser.evaluate("[JSON.stringify(localStorage), document.cookie, location.href, sessionStorage.getItem('dx-token')]")
        check(token not in kept[0] + kept[1] + kept[2] and kept[3] == token, f"{kept}")
        browser.open(home)
        says(browser, "edge-1 is healthy")
        check(not browser.evaluate("document.getElementById('ask').open"), "it asks again")
        check(not any(token in each for each in browser.requests), "the token is in an address")
    check(token not in two.a.directory.joinpath("run-1.log").read_text(), "the token is in the log")
    return "one token"
