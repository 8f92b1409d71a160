// Gestures over a lineage picture that is complete without them: drag, wheel and pinch, keys, minimap, tracing.
// The picture lies in a scrolling box; zooming resizes the SVG, so scroll bars, keys and touch panning stay the browser's.
const LEAST = 0.15, MOST = 2.5;

class Canvas {
  constructor(root) {
    this.root = root;
    this.pan = root.querySelector(".pan");
    this.svg = root.querySelector(".graph");
    this.size = { width: this.svg.width.baseVal.value, height: this.svg.height.baseVal.value };
    this.scale = 1;
    this.mini = root.querySelector(".mini");
    this.view = this.mini?.querySelector(".vp");
    root.querySelector("[data-controls]").hidden = false;
    this.bindZoom();
    this.bindDrag();
    this.bindPinch();
    this.bindMinimap();
    new Tracing(this.svg);
    this.toFocus();
    this.pan.addEventListener("scroll", () => this.showView(), { passive: true });
    new ResizeObserver(() => this.showView()).observe(this.pan);
  }

  // Zoom

  zoom(factor, clientX, clientY) {
    const scale = Math.min(MOST, Math.max(LEAST, this.scale * factor));
    if (scale === this.scale) return;
    const frame = this.pan.getBoundingClientRect();
    const box = this.svg.getBoundingClientRect();
    const x = clientX ?? frame.left + frame.width / 2, y = clientY ?? frame.top + frame.height / 2;
    const at = { x: (x - box.left) / this.scale, y: (y - box.top) / this.scale };
    this.scale = scale;
    this.svg.setAttribute("width", this.size.width * scale);
    this.svg.setAttribute("height", this.size.height * scale);
    const moved = this.svg.getBoundingClientRect();
    this.pan.scrollLeft += moved.left + at.x * scale - x;
    this.pan.scrollTop += moved.top + at.y * scale - y;
    this.showView();
  }

  fit() {
    const factor = Math.min(this.pan.clientWidth / this.size.width, this.pan.clientHeight / this.size.height, 1);
    this.zoom(factor / this.scale);
    this.pan.scrollTo(0, 0);
  }

  toFocus() {
    const [x, y] = (this.root.dataset.focus ?? "0 0").split(" ").map(Number);
    if (x || y) this.pan.scrollTo(x * this.scale - this.pan.clientWidth / 2, y * this.scale - this.pan.clientHeight / 2);
    this.showView();
  }

  bindZoom() {
    this.root.addEventListener("click", (event) => {
      const action = event.target.closest("[data-zoom]")?.dataset.zoom;
      if (action === "in") this.zoom(1.25);
      if (action === "out") this.zoom(0.8);
      if (action === "fit") this.fit();
    });
    this.pan.addEventListener("wheel", (event) => {
      if (event.shiftKey) return;
      event.preventDefault();
      const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
      this.zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0016)), event.clientX, event.clientY);
    }, { passive: false });
    this.pan.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const act = { "+": () => this.zoom(1.25), "=": () => this.zoom(1.25), "-": () => this.zoom(0.8), 0: () => this.fit(), Home: () => this.toFocus() }[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    });
  }

  // Drag, with a mouse; fingers scroll by themselves

  bindDrag() {
    let from = null, dragged = false;
    this.pan.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "mouse" || event.button !== 0) return;
      from = { x: event.clientX, y: event.clientY, left: this.pan.scrollLeft, top: this.pan.scrollTop };
      dragged = false;
    });
    window.addEventListener("pointermove", (event) => {
      if (!from) return;
      const dx = event.clientX - from.x, dy = event.clientY - from.y;
      if (!dragged && Math.hypot(dx, dy) < 5) return;
      dragged = true;
      this.root.classList.add("dragging");
      this.pan.scrollTo(from.left - dx, from.top - dy);
    });
    window.addEventListener("pointerup", () => { from = null; this.root.classList.remove("dragging"); });
    this.pan.addEventListener("click", (event) => { if (dragged) event.preventDefault(); dragged = false; }, true);
    this.svg.addEventListener("dragstart", (event) => event.preventDefault());
  }

  bindPinch() {
    const fingers = new Map();
    const apart = () => {
      const [a, b] = [...fingers.values()];
      return { length: Math.hypot(a.x - b.x, a.y - b.y), x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
    };
    let last = 0;
    this.pan.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "touch") return;
      fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      if (fingers.size === 2) last = apart().length;
    });
    this.pan.addEventListener("pointermove", (event) => {
      if (!fingers.has(event.pointerId)) return;
      fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
      if (fingers.size !== 2) return;
      const now = apart();
      if (last) this.zoom(now.length / last, now.x, now.y);
      last = now.length;
    });
    for (const end of ["pointerup", "pointercancel"]) {
      this.pan.addEventListener(end, (event) => { fingers.delete(event.pointerId); last = 0; });
    }
  }

  // Minimap

  showView() {
    if (!this.view) return;
    const unit = Number(this.mini.dataset.scale) / this.scale;
    const set = (name, value) => this.view.setAttribute(name, value.toFixed(1));
    set("x", this.pan.scrollLeft * unit);
    set("y", this.pan.scrollTop * unit);
    set("width", Math.min(this.pan.clientWidth, this.size.width * this.scale) * unit);
    set("height", Math.min(this.pan.clientHeight, this.size.height * this.scale) * unit);
  }

  bindMinimap() {
    if (!this.mini) return;
    const go = (event) => {
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.mini.getScreenCTM().inverse());
      const unit = this.scale / Number(this.mini.dataset.scale);
      this.pan.scrollTo(point.x * unit - this.pan.clientWidth / 2, point.y * unit - this.pan.clientHeight / 2);
    };
    this.mini.addEventListener("pointerdown", (event) => { this.mini.setPointerCapture(event.pointerId); go(event); });
    this.mini.addEventListener("pointermove", (event) => { if (event.buttons) go(event); });
  }
}

// While a node is hovered or focused, the ways between it and the focus stand out; without a way, its neighbours do.
class Tracing {
  constructor(svg) {
    this.svg = svg;
    this.nodes = new Map([...svg.querySelectorAll("[data-n]")].map((node) => [node.dataset.n, node]));
    this.edges = [...svg.querySelectorAll("[data-e]")].map((path) => {
      const [source, target] = path.dataset.e.split(" ");
      return { path, source, target };
    });
    this.after = new Map();
    this.before = new Map();
    for (const { source, target } of this.edges) {
      (this.after.get(source) ?? this.after.set(source, []).get(source)).push(target);
      (this.before.get(target) ?? this.before.set(target, []).get(target)).push(source);
    }
    this.focus = svg.querySelector(".nd.focus")?.dataset.n;
    this.resting = [...this.nodes.values(), ...this.edges.map((edge) => edge.path)].map((element) => [element, element.getAttribute("class")]);
    for (const [enter, leave] of [["pointerover", "pointerout"], ["focusin", "focusout"]]) {
      svg.addEventListener(enter, (event) => this.trace(event.target.closest("[data-n]")));
      svg.addEventListener(leave, (event) => { if (!event.relatedTarget?.closest?.("[data-n]")) this.rest(); });
    }
  }

  reach(start, along) {
    const found = new Set([start]);
    for (const node of found) for (const other of along.get(node) ?? []) found.add(other);
    return found;
  }

  between(one, other) {
    for (const [start, end] of [[one, other], [other, one]]) {
      const reached = this.reach(start, this.after);
      if (reached.has(end)) {
        const leading = this.reach(end, this.before);
        return new Set([...reached].filter((node) => leading.has(node)));
      }
    }
    return null;
  }

  trace(node) {
    if (!node || node.dataset.n === this.traced) return;
    this.rest();
    this.traced = node.dataset.n;
    const way = this.focus && this.traced !== this.focus ? this.between(this.focus, this.traced) : null;
    const lit = way ?? new Set([this.traced, ...(this.after.get(this.traced) ?? []), ...(this.before.get(this.traced) ?? [])]);
    const isOnWay = way ? (edge) => lit.has(edge.source) && lit.has(edge.target) : (edge) => edge.source === this.traced || edge.target === this.traced;
    for (const [number, element] of this.nodes) {
      element.classList.toggle("dim", !lit.has(number));
      element.classList.toggle("lit", lit.has(number));
    }
    for (const edge of this.edges) {
      edge.path.classList.remove("near");
      edge.path.classList.toggle("path", isOnWay(edge));
      edge.path.classList.toggle("off", !isOnWay(edge));
    }
  }

  rest() {
    if (!this.traced) return;
    this.traced = null;
    for (const [element, names] of this.resting) element.setAttribute("class", names);
  }
}

// A small picture in a narrow box begins at its focus.
const showFocus = () => {
  for (const node of document.querySelectorAll(".scrollx:not([data-ready]) .nd.focus")) {
    const box = node.closest(".scrollx");
    box.dataset.ready = "";
    box.scrollLeft += node.getBoundingClientRect().left - box.getBoundingClientRect().left - 24;
  }
};

const start = () => {
  showFocus();
  for (const root of document.querySelectorAll("[data-lineage]:not([data-ready])")) {
    root.dataset.ready = "";
    new Canvas(root);
  }
};
start();
document.addEventListener("htmx:afterSettle", start);
