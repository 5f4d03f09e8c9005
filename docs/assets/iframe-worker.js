// Browsers start no worker from a file.  So that the search works in a page that was opened as a
// file, its worker runs in a hidden frame of the same page instead.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.documentElement.append(this.frame);
      const inner = this.frame.contentWindow;
      inner.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      const script = this.frame.contentDocument.createElement("script");
      script.src = url;
      this.loaded = new Promise((resolve) => (script.onload = resolve));
      this.frame.contentDocument.body.append(script);
    }

    postMessage(data) {
      const send = () =>
        this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }));
      this.loaded.then(send);
    }

    terminate() {
      this.frame.remove();
    }
  };
}
