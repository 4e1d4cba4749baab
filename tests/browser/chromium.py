"""chromium.py: a headless Chromium, and one page in it, by the DevTools protocol over two pipes.

Pipes need no port and no package. Chromium reads commands from its descriptor 3 and writes answers
and events to its descriptor 4; each is JSON that a zero byte ends.
"""
import base64
import json
import os
import shutil
import subprocess
import tempfile

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def program():
    """The browser's path, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Page:
    """A page that shows a file. `requests` are the addresses of all that it loaded."""

    def __init__(self, file):
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_browser, self.to = os.pipe()
        self.at, from_browser = os.pipe()
        self.browser = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "bash", program(), "--headless=new",
             "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe",
             "--hide-scrollbars", f"--user-data-dir={self.folder.name}", "about:blank"],
            pass_fds=(to_browser, from_browser), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.pending, self.number, self.session, self.requests, self.errors = b"", 0, None, [], []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self.send(f"{domain}.enable")
        self.open(file)

    def open(self, file):
        self.requests.clear()
        self.send("Page.navigate", url=f"file://{os.path.abspath(file)}")
        while self.read().get("method") != "Page.loadEventFired":
            pass
        self.run("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")

    def read(self):
        """The next message; the page's requests and errors are kept."""
        while b"\0" not in self.pending:
            data = os.read(self.at, 1 << 20)
            if not data:
                raise RuntimeError("Chromium ended; run it alone to see why: chromium --headless --dump-dom FILE")
            self.pending += data
        text, _, self.pending = self.pending.partition(b"\0")
        message = json.loads(text)
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])
        if message.get("method") == "Runtime.exceptionThrown":
            self.errors.append(message["params"]["exceptionDetails"]["exception"].get("description"))
        return message

    def send(self, method, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while (answer := self.read()).get("id") != self.number:
            pass
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def run(self, script):
        """The value of an expression in the page, a promise's when it has come."""
        result = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"]["exception"].get("description", "an error in the page"))
        return result["result"].get("value")

    def window(self, width, height, dark=False):
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = "dark" if dark else "light"
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.run("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")  # until it is seen

    def picture(self, file):
        """Writes what the window shows."""
        data = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        with open(file, "wb") as out:
            out.write(base64.b64decode(data))

    def key(self, key, shift=False, ctrl=False):
        text = {} if ctrl or len(key) > 1 else {"text": key}
        modifiers = (8 if shift else 0) + (2 if ctrl else 0)
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, modifiers=modifiers, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key, modifiers=modifiers)

    def drag(self, points, pointer="mouse"):
        """Presses, moves and lifts a mouse or a pen, or a finger ("touch"), in the window's pixels."""
        for i, (x, y) in enumerate([*points, points[-1]]):
            step = 0 if i == 0 else 2 if i == len(points) else 1
            if pointer == "touch":
                kind = ("touchStart", "touchMove", "touchEnd")[step]
                self.send("Input.dispatchTouchEvent", type=kind, touchPoints=[] if step == 2 else [{"x": x, "y": y}])
            else:
                kind = ("mousePressed", "mouseMoved", "mouseReleased")[step]
                self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=int(step < 2),
                          clickCount=1, pointerType=pointer)

    def close(self):
        self.send("Browser.close")
        self.browser.wait()
        os.close(self.to)
        os.close(self.at)
        self.folder.cleanup()
