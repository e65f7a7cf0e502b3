// Comfort only: without script the page is complete and every part of it can be reached.
(() => {
  document.documentElement.classList.add("script");
  const all = (selector) => [...document.querySelectorAll(selector)];

  // One switch for all code, in both directions.
  const folds = all("details.source");
  const button = document.querySelector(".unfold");
  if (button && folds.length) {
    const allOpen = () => folds.every((fold) => fold.open);
    const name = () => { button.textContent = allOpen() ? "Hide code" : "Show code"; };
    button.hidden = false;
    button.addEventListener("click", () => {
      const open = !allOpen();
      folds.forEach((fold) => { fold.open = open; });
    });
    folds.forEach((fold) => fold.addEventListener("toggle", name));
  }

  // The contents stand open beside the text, folded above it, and tell where the reader is.
  const toc = document.querySelector(".toc");
  if (toc) {
    const wide = matchMedia("(min-width: 72rem)");
    wide.addEventListener("change", () => { toc.open = wide.matches; });
    const links = all(".toc a[href^='#']");
    const headings = links.map((link) => document.getElementById(decodeURIComponent(link.hash.slice(1))));
    let current = null;
    const mark = () => {
      const end = innerHeight + scrollY >= document.documentElement.scrollHeight - 2 && scrollY > 0;
      const passed = headings.filter((h) => h && (end || h.getBoundingClientRect().top < innerHeight / 4));
      const link = links[headings.indexOf(passed.at(-1))] ?? null;
      if (link === current) return;
      current?.removeAttribute("aria-current");
      link?.setAttribute("aria-current", "true");
      current = link;
      if (!link) return;
      // Keep it in sight where the contents are longer than the window.
      const box = toc.closest("nav") ?? toc, at = link.getBoundingClientRect(), frame = box.getBoundingClientRect();
      if (at.top < frame.top || at.bottom > frame.bottom) box.scrollTop += at.top - frame.top - frame.height / 3;
    };
    addEventListener("scroll", mark, { passive: true });
    addEventListener("resize", mark);
    mark();
  }

  // Only what scrolls is a stop for the keyboard.
  const stop = (box) => {
    const scrolls = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
    scrolls ? box.setAttribute("tabindex", "0") : box.removeAttribute("tabindex");
    box.toggleAttribute("data-scrolls", box.scrollWidth > box.clientWidth + 1);
  };
  const sizes = new ResizeObserver((entries) => entries.forEach((entry) => stop(entry.target)));
  all(".table, .plate, .rich, pre, .formula-block").forEach((box) => sizes.observe(box));

  // The bar of a phone shows the page it is on.
  const here = document.querySelector(".bar [aria-current]");
  if (here) here.parentElement.scrollLeft = here.offsetLeft - (innerWidth - here.offsetWidth) / 2;
})();
