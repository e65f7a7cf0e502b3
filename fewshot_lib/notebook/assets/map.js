(() => {
const figure = document.currentScript.closest("figure"), tip = figure.querySelector(".tip");
const [picture, words] = tip.children, MARGIN = 14;
const names = [...figure.querySelectorAll(".k span")].map(name => name.textContent);
const all = [...figure.querySelectorAll("use")];
const place = mark => [+mark.getAttribute("x"), +mark.getAttribute("y")];
const first = new Map(all.map(mark => [mark, place(mark)]));
const seen = svg => [...svg.querySelectorAll("use")].filter(
  mark => getComputedStyle(mark.parentNode).display != "none");
const pointable = svg => {  // all, or those of the ticked classes
  const ticked = [...figure.querySelectorAll(".k")].map(k => k.firstChild.checked);
  return seen(svg).filter(mark => !ticked.includes(true) || ticked[mark.parentNode.dataset.k]);
};
const fit = svg => [0, 1].forEach(axis => {  // what is shown fills the panel
  const marks = seen(svg), at = mark => first.get(mark)[axis];
  const low = Math.min(...marks.map(at)), span = Math.max(...marks.map(at)) - low || 1;
  const side = svg.viewBox.baseVal.width;
  marks.forEach(mark => mark.setAttribute(
    "xy"[axis], MARGIN + (side - 2 * MARGIN) * (at(mark) - low) / span));
});
const show = mark => {
  const group = mark?.parentNode, i = mark?.dataset.i;
  all.forEach(m => m.classList.toggle("on", m == mark || i != null && m.dataset.i == i));
  if (tip.hidden = !mark) return;
  picture.hidden = i == null;
  picture.style.backgroundPosition = `${-96 * (i % 10)}px ${-96 * Math.floor(i / 10)}px`;
  words.textContent = names[group.dataset.k] + ", " + group.classList[0];
  const at = mark.getBoundingClientRect(), frame = figure.getBoundingClientRect();
  const left = at.x - frame.x + at.width / 2 - tip.offsetWidth / 2;
  tip.style.left = Math.max(0, Math.min(left, frame.width - tip.offsetWidth)) + "px";
  const above = at.y - frame.y - tip.offsetHeight - 8, below = at.bottom - frame.y + 8;
  tip.style.top = (above > 0 && at.y - tip.offsetHeight > 60 ? above : below) + "px";
};
figure.querySelectorAll("g > title").forEach(title => title.remove());  // the tip takes over
figure.querySelectorAll(".panel svg").forEach(svg => {
  let current = null;
  figure.querySelectorAll(".kind input").forEach(
    input => input.addEventListener("change", () => fit(svg)));
  const point = event => {
    const p = new DOMPoint(event.clientX, event.clientY)
      .matrixTransform(svg.getScreenCTM().inverse());
    let best = 12;
    current = null;
    for (const mark of pointable(svg)) {
      const [x, y] = place(mark), far = Math.hypot(x - p.x, y - p.y);
      if (far < best) [best, current] = [far, mark];
    }
    show(current);
  };
  svg.addEventListener("pointermove", point);
  svg.addEventListener("pointerdown", point);
  svg.addEventListener("pointerleave", event => event.pointerType == "touch" || show(null));
  svg.addEventListener("blur", () => show(null));
  svg.addEventListener("keydown", event => {
    const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    if (event.key == "Escape") show(current = null);
    if (!step) return;
    event.preventDefault();
    const marks = pointable(svg), n = marks.length;
    if (!n) return;
    const now = marks.indexOf(current);
    show(current = marks[now < 0 ? (step > 0 ? 0 : n - 1) : (now + step + n) % n]);
  });
});
})();
