// A table that can be sorted and filtered. Its rows are a part of what there is: twenty, and as many more as are asked for.

import {byId, el, keep, say} from "/dashboard/dom.js";

const STEP = 20;

const compare = (a, b) => (typeof a === "number" || typeof b === "number" ? (a ?? -1) - (b ?? -1) : String(a).localeCompare(String(b)));

export class Table {
  // `columns`: [{title, cell(item) -> text, sort(item), isNumber, mark(item)}]; `words(item)` is what the filter looks at; `groups` are ready
  // filters: [{title, holds(item)}].
  constructor(place, {id, what, columns, words, key, groups, tone}) {
    Object.assign(this, {id, what, columns, words, key, groups, tone, items: [], order: null, isReversed: false, most: STEP});
    this.filter = el("input", {
      id: `${id}-filter`, type: "search", placeholder: "name or state", autocomplete: "off", spellcheck: "false",
      oninput: () => this.reset()});
    this.choice = el("select", {id: `${id}-group`, onchange: () => this.reset()},
      el("option", {value: "", text: "all"}), ...groups.map(({title}, index) => el("option", {value: index, text: title})));
    this.shown = el("p", {class: "quiet", "aria-live": "polite"});
    this.head = el("tr", {role: "row"}, ...columns.map((column, index) => this.headCell(column, index)));
    this.body = el("tbody", {role: "rowgroup"});
    this.more = el("button", {type: "button", class: "more", onclick: () => this.showMore()});
    place.append(
      el("div", {class: "filters"},
        el("label", {for: this.filter.id, text: "Filter"}), this.filter,
        el("label", {for: this.choice.id, text: "Show"}), this.choice),
      el("table", {role: "table", "aria-labelledby": `${id}-title`}, el("thead", {role: "rowgroup"}, this.head), this.body),
      this.shown, this.more);
  }

  headCell(column, index) {
    return el("th", {scope: "col", role: "columnheader", class: column.isNumber ? "number" : null},
      el("button", {type: "button", text: column.title, onclick: () => this.sortBy(index)}));
  }

  // Largest numbers first, and texts from A on; once more turns it round.
  sortBy(index) {
    this.isReversed = this.order === index ? !this.isReversed : Boolean(this.columns[index].isNumber);
    this.order = index;
    this.draw();
  }

  // Shows those of a ready filter, or of this name, and goes there.
  goTo({group, name}) {
    this.choice.value = group === undefined ? "" : String(this.groups.findIndex(({title}) => title === group));
    this.filter.value = name ?? "";
    this.reset();
    byId(`${this.id}-title`).scrollIntoView({block: "start"});
    this.filter.focus({preventScroll: true});
  }

  reset() {
    this.most = STEP;
    this.draw();
  }

  showMore() {
    this.most += STEP;
    this.draw();
  }

  show(items) {
    this.items = items;
    this.draw();
  }

  get found() {
    const wanted = this.filter.value.trim().toLowerCase();
    const group = this.groups[this.choice.value];
    const found = this.items.filter((item) => (!group || group.holds(item)) && this.words(item).toLowerCase().includes(wanted));
    if (this.order === null) return found;
    const {sort} = this.columns[this.order];
    const sign = this.isReversed ? -1 : 1;
    return found.sort((a, b) => sign * compare(sort(a), sort(b)) || compare(this.key(a), this.key(b)));
  }

  draw() {
    const found = this.found;
    const shown = found.slice(0, this.most);
    [...this.head.children].forEach((cell, index) => {
      const isOrder = index === this.order;
      cell.setAttribute("aria-sort", isOrder ? (this.isReversed ? "descending" : "ascending") : "none");
    });
    keep(this.body, shown, this.key, () => this.makeRow(), (row, item) => this.fillRow(row, item));
    const total = this.items.length;
    say(this.shown, total === 0 ? `no ${this.what}` : found.length === total && shown.length === total
      ? `${total} ${total === 1 ? this.what.replace(/s$/, "") : this.what}` : `${shown.length} of ${found.length} found, ${total} ${this.what} in all`);
    this.more.hidden = shown.length === found.length;
    say(this.more, `Show ${Math.min(STEP, found.length - shown.length)} more`);
  }

  makeRow() {
    return el("tr", {role: "row"}, ...this.columns.map((column, index) => el(index === 0 ? "th" : "td", {
      role: index === 0 ? "rowheader" : "cell", scope: index === 0 ? "row" : null,
      class: column.isNumber ? "number" : column.isLong ? "long" : null, "data-label": column.title})));
  }

  fillRow(row, item) {
    row.className = this.tone(item);
    this.columns.forEach((column, index) => {
      const cell = row.children[index];
      const mark = column.mark?.(item);
      const text = column.cell(item);
      if (!mark) return say(cell, text);
      if (!cell.firstElementChild) cell.append(el("span", {class: "sign", "aria-hidden": "true"}), el("span"));
      say(cell.children[0], mark);
      say(cell.children[1], text);
    });
  }
}
