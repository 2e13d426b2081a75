"""Debian's Chromium on a host of the lab, without a window, driven by its DevTools protocol over two pipes."""

import base64
import json
import os
import pathlib
import select
import time

from harness.lab import Failure, check

# So long an answer of the browser itself may take: a limit against hanging.
PATIENCE = 60.0
KEYS = {
    "Tab": (9, None), "Enter": (13, "\r"), "Escape": (27, None), " ": (32, " "), "ArrowLeft": (37, None), "ArrowRight": (39, None),
}


class Browser:
    """A browser with one page. What the page said, asked for and failed at is kept: `said`, `requests`, `statuses`."""

    def __init__(self, run, host, name, *options):
        self.run, self.number = run, 0
        self.said, self.requests, self.statuses = [], [], []
        self._instead, self._urls = {}, {}
        self._waiting, self.session = b"", None
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        profile = run.directory / name
        # Descriptors 3 and 4 are where the browser looks for its orders.
        orders = f'exec 3<&{to_browser} 4>&{from_browser}; exec "$@"'
        arguments = [
            "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe",
            "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
            "--disable-default-apps", "--no-default-browser-check", "--metrics-recording-only", "--hide-scrollbars", "--force-color-profile=srgb",
            f"--user-data-dir={profile}", *options, "about:blank"]
        self.process = run.lab.start(
            host, ["bash", "-c", orders, "chromium", *arguments], name, run.directory / f"{name}.log", descriptors=(to_browser, from_browser))
        os.close(to_browser)
        os.close(from_browser)
        run.lab.at_end(self.close)
        target = next(each for each in self.call("Target.getTargets")["targetInfos"] if each["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def close(self):
        for number in (self._read, self._write):
            os.close(number)

    # ---- orders and answers

    def call(self, method, **parameters):
        """An order, and what it comes to."""
        number = self._send(method, parameters)
        end = time.monotonic() + PATIENCE
        while True:
            message = self._next(end - time.monotonic())
            check(message is not None, f"the browser does not answer {method} ({self.process.ending()})")
            if message.get("id") == number:
                check("error" not in message, f"{method}: {message.get('error')}")
                return message["result"]
            self._note(message)

    def _send(self, method, parameters):
        self.number += 1
        order = {"id": self.number, "method": method, "params": parameters}
        if self.session and not method.startswith("Target."):
            order["sessionId"] = self.session
        rest = json.dumps(order).encode() + b"\0"
        while rest:
            rest = rest[os.write(self._write, rest):]
        return self.number

    def _next(self, seconds):
        while b"\0" not in self._waiting:
            if not select.select([self._read], [], [], max(0.0, seconds))[0]:
                return None
            part = os.read(self._read, 1 << 20)
            if not part:
                return None
            self._waiting += part
        text, _, self._waiting = self._waiting.partition(b"\0")
        return json.loads(text)

    def _note(self, message):
        method, about = message.get("method"), message.get("params", {})
        if method == "Runtime.consoleAPICalled":
            self.said.append(f"{about['type']}: " + " ".join(str(each.get("value")) for each in about["args"]))
        elif method == "Runtime.exceptionThrown":
            self.said.append(f"exception: {json.dumps(about['exceptionDetails'])[:400]}")
        elif method == "Log.entryAdded":
            self.said.append(f"{about['entry']['level']}: {about['entry']['text']}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
            self._urls[about["requestId"]] = about["request"]["url"]
        elif method == "Network.responseReceivedExtraInfo":
            # Of answers that the browser keeps from the page, too.
            self.statuses.append((self._urls.get(about["requestId"]), about["statusCode"]))
        elif method == "Fetch.requestPaused":
            text = next((text for end, text in self._instead.items() if about["request"]["url"].endswith(end)), "")
            self._send("Fetch.fulfillRequest", {
                "requestId": about["requestId"], "responseCode": 200, "body": base64.b64encode(text.encode()).decode(),
                "responseHeaders": [{"name": "Content-Type", "value": "application/json"}]})

    # ---- a page

    def evaluate(self, expression):
        """The value of an expression in the page; promises are waited for."""
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        check("exceptionDetails" not in result, f"{expression[:100]}: {json.dumps(result.get('exceptionDetails'))[:400]}")
        return result["result"].get("value")

    def open(self, url):
        result = self.call("Page.navigate", url=url)
        check("errorText" not in result, f"{url}: {result.get('errorText')}")

    def until(self, expression, what, seconds=60.0):
        """Until an expression of the page is true; its value."""
        end = time.monotonic() + seconds
        while True:
            try:
                value = self.evaluate(expression)
            except Failure as failure:      # the page is being replaced
                value, failed = None, failure
            else:
                failed = None
            if value:
                return value
            if time.monotonic() > end:
                shown = self.evaluate("document.body ? document.body.innerText.slice(0, 600) : ''") if not failed else failed
                raise Failure(f"not within {seconds:g} s: {what}; the page shows: {shown!r}")
            time.sleep(0.05)

    def instead(self, end, text):
        """From now on requests of addresses that end so get this text in place of what the server says; None: the server's again."""
        self._instead.pop(end, None)
        if text is not None:
            self._instead[end] = text
        patterns = [{"urlPattern": f"*{each}"} for each in self._instead]
        if patterns:
            self.call("Fetch.enable", patterns=patterns)
        else:
            self.call("Fetch.disable")

    def press(self, key, shift=False):
        code, text = KEYS.get(key, (None, key))
        common = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0} if code else {"key": key}
        self.call("Input.dispatchKeyEvent", type="keyDown", **common, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def size(self, width, height, phone=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2 if phone else 1, mobile=phone)

    def media(self, **features):
        """What the system wants: media(prefers_color_scheme="dark")."""
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": name.replace("_", "-"), "value": value} for name, value in features.items()])

    def picture(self, path, height=None):
        """The whole page in a file, or so much of it from its top on."""
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        clip = {"clip": {"x": 0, "y": 0, "width": self.evaluate("innerWidth"), "height": height, "scale": 1}} if height else {}
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, **clip)["data"]
        path.write_bytes(base64.b64decode(data))
