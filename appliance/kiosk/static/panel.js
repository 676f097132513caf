// What lies over the officer's page when something is tapped: why, the journey, a whole name.
//
// * Everything is put in as text, never as markup; every target is as large as a gloved finger.
// * A panel goes with the result that it speaks of, and a tap names the traveller whom it is meant for.
// * Whoever taps in it is still at work: name and certificates stay for as long as that.
"use strict";

const STAY_MS = 3000;

export function makePanel({ say, language, at }) {
  const panel = at("panel");
  const body = at("panel-body");
  let open = null; // { kind, results, session }
  let stayed = 0;

  const node = (tag, text, name) => {
    const made = document.createElement(tag);
    if (text !== undefined && text !== null) made.textContent = text;
    if (name) made.className = name;
    return made;
  };
  const button = (text, tap, name) => {
    const made = node("button", text, "button " + (name || ""));
    made.type = "button";
    made.addEventListener("click", tap);
    return made;
  };

  async function post(path, { session }, members) {
    const options = {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ ...members, session }),
    };
    try {
      const answer = await fetch(path, options);
      if (answer.status === 202) return true;
    } catch {
      // The page itself says that the unit is not heard.
    }
    if (path !== "/stay") say_refused();
    return false;
  }

  function say_refused() {
    if (open) body.prepend(node("p", say("refused"), "refused"));
  }

  function stay() {
    if (performance.now() - stayed < STAY_MS) return;
    stayed = performance.now();
    if (open) post("/stay", open);
  }

  async function read(path) {
    try {
      const answer = await fetch(path, { headers: { Accept: "application/json" } });
      return answer.ok ? await answer.json() : null;
    } catch {
      return null;
    }
  }

  function show(kind, title, facts, parts) {
    open = { kind, results: facts.results, session: facts.session };
    panel.dataset.kind = kind;
    at("panel-title").textContent = title;
    body.replaceChildren(...parts);
    panel.hidden = false;
    body.scrollTop = 0;
    stay();
  }

  function close() {
    open = null;
    panel.hidden = true;
    body.replaceChildren();
  }

  // The result that a panel speaks of is gone, or another one has come.
  function keepUp(facts) {
    if (!open) return;
    const shown = facts && (facts.holder || facts.people.length ? facts : facts.last || facts);
    const gone = !facts || facts.results !== open.results || facts.session !== open.session;
    if (gone || (open.kind === "why" && !shown.explained) || (open.kind === "name" && !shown.holder)) close();
  }

  function wholeName(name, facts) {
    show("name", say("name"), facts, [node("p", name, "whole")]);
  }

  // --- Why?

  async function why(facts) {
    const told = await read("/why");
    if (!told || !told.rules) return close();
    const tongue = language();
    const head = node("p", null, "answer");
    head.append(node("b", `${told.sign} ${told.word[tongue]}`), ` · ${told.headline[tongue]}`);
    const parts = [head];
    for (const [each, label] of [[told.bundle, "rules"], [told.order, "order"]]) {
      if (each) parts.push(node("p", `${say(label)}: ${each.title[tongue]} · ${each.bundle} ${each.version}`));
    }
    const list = node("ul", null, "asked");
    for (const row of told.rules) list.append(ruleItem(row, tongue));
    if (!told.rules.length) list.append(node("li", say("rules_asked")));
    if (told.left) list.append(node("li", say("left").replace("{n}", told.left)));
    parts.push(list);
    show("why", say("why"), facts, parts);
  }

  function ruleItem(row, tongue) {
    const item = node("li", null, row.answer + (row.used ? "" : " unused"));
    item.append(node("b", row.word[tongue]), ` · ${row.texts[tongue]} `);
    if (row.rule) item.append(node("code", `${row.rule} ${row.rule_version}`));
    if (!row.used) item.append(" ", node("i", say("unused")));
    for (const value of row.values) {
      const line = node("span", `${value.label[tongue]}: `, "value");
      line.append(node("b", value[tongue]));
      item.append(line);
    }
    if (row.reason) {
      const line = node("span", row.reason[tongue] + " ", "value");
      line.append(node("code", row.reason.code));
      item.append(line);
    }
    return item;
  }

  // --- The journey

  async function journey(facts, members) {
    const can = await read("/journey");
    if (!can) return;
    const wanted = members || ORDER.filter((name) => can.members.includes(name));
    const inline = members ? wanted : wanted.filter((name) => INLINE.includes(name));
    const groups = inline.map((name) => {
      const group = node("section", null, "group");
      group.dataset.member = name;
      group.append(node("h3", say("ask_" + name)), ...MAKERS[name](can, name));
      return group;
    });
    // What takes room of its own is one tap away.
    const others = wanted.filter((name) => !inline.includes(name));
    if (others.length) {
      const row = node("div", null, "choices others");
      for (const name of others) {
        row.append(button(say("ask_" + name), () => journey(facts, [name]), can.told[name] ? "told" : ""));
      }
      groups.push(row);
    }
    show("journey", say("journey"), facts, groups);
  }

  async function tell(members, path = "/journey") {
    if (open && (await post(path, open, members))) close();
  }

  function choices(values, words, name, told) {
    const row = node("div", null, "choices");
    for (const value of values) {
      row.append(button(words(value), () => tell({ [name]: value }), told === value ? "told" : ""));
    }
    if (told) row.append(button(say("clear"), () => tell({ [name]: "" })));
    return [row];
  }

  // The letters under the accents: "Đà Nẵng" is found by "da nang".
  const bare = (text) =>
    text.normalize("NFD").replace(/\p{M}/gu, "").replace(/đ/g, "d").replace(/Đ/g, "D").toLowerCase();

  function picker(entries, pick, told) {
    const input = node("input", null, "search");
    input.type = "search";
    input.placeholder = say("search");
    input.setAttribute("aria-label", say("search"));
    const row = node("div", null, "choices");
    const fill = () => {
      const words = bare(input.value.trim());
      const found = entries.filter(([code, text]) => bare(`${text} ${code}`).includes(words));
      row.replaceChildren(
        ...found.slice(0, 24).map(([code, text]) =>
          button(text, () => pick(code), told === code ? "told" : "")),
      );
    };
    input.addEventListener("input", fill);
    fill();
    return [input, row];
  }

  function countries(codes) {
    let names = null;
    try {
      names = new Intl.DisplayNames([language()], { type: "region" });
    } catch {
      // A browser without names: the codes are enough.
    }
    const named = codes.map((code) => [code, names ? `${names.of(code)} (${code})` : code]);
    return named.sort((one, other) => one[1].localeCompare(other[1], language()));
  }

  // A day and an hour by steps: nobody types with gloves on.
  function stepper(can, name) {
    const told = can.told[name] || can.now;
    const parts = /^(.*?)(?:([+-])(\d\d):(\d\d)|Z)$/.exec(told);
    let offset = parts[2] ? Number(parts[2] + (Number(parts[3]) * 60 + Number(parts[4]))) : 0;
    let local = Date.parse(parts[1] + "Z");
    const two = (number) => String(number).padStart(2, "0");
    const zone = () => `${offset < 0 ? "-" : "+"}${two(Math.trunc(Math.abs(offset) / 60))}:${two(Math.abs(offset) % 60)}`;
    const shown = node("p", null, "stepped");
    const tellTime = () => {
      const date = new Date(local);
      const day = `${two(date.getUTCDate())}/${two(date.getUTCMonth() + 1)}/${date.getUTCFullYear()}`;
      shown.textContent = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())} · ${day} (UTC${zone()})`;
    };
    const row = node("div", null, "choices");
    const steps = [["day", 1440], ["hour", 60], ["minute", 10]];
    for (const [unit, minutes] of steps) {
      for (const sign of [-1, 1]) {
        row.append(button(`${sign < 0 ? "−" : "+"} ${say(unit)}`, () => {
          local += sign * minutes * 60000;
          tellTime();
        }));
      }
    }
    for (const sign of [-1, 1]) {
      row.append(button(`${sign < 0 ? "−" : "+"} ${say("zone")}`, () => {
        offset = Math.max(-720, Math.min(840, offset + sign * 60));
        tellTime();
      }));
    }
    tellTime();
    const enter = button(say("enter"), () =>
      tell({ [name]: new Date(local).toISOString().slice(0, 19) + zone() }), "enter");
    const last = node("div", null, "choices");
    last.append(enter);
    if (can.told[name]) last.append(button(say("clear"), () => tell({ [name]: "" })));
    return [shown, row, last];
  }

  function hours(can, name) {
    const row = node("div", null, "choices");
    for (const count of [6, 12, 18, 23, 30, 48]) {
      const told = can.told[name] === count ? "told" : "";
      row.append(button(`${count} h`, () => tell({ [name]: count }), told));
    }
    if (can.told[name]) row.append(button(say("clear"), () => tell({ [name]: null })));
    return [row];
  }

  function flight(can, name) {
    const input = node("input", can.told[name] || "", "search");
    input.value = can.told[name] || "";
    input.maxLength = 16;
    input.setAttribute("aria-label", say("ask_flight"));
    const row = node("div", null, "choices");
    row.append(button(say("enter"), () => tell({ [name]: input.value.trim() }), "enter"));
    return [input, row];
  }

  // A paper that no machine reads: what it is, then whose.
  function paper(can) {
    const row = node("div", null, "choices");
    const words = (each) => each.text[language()];
    for (const each of can.papers) {
      const told = can.told.paper && can.told.paper.kind === each.code ? "told" : "";
      row.append(button(words(each), () => {
        const pick = (country) => tell({ paper: { kind: each.code, country } });
        const group = row.parentNode;
        group.replaceChildren(
          node("h3", `${words(each)} · ${say("ask_paper_country")}`), ...picker(countries(can.countries), pick));
      }, told));
    }
    if (can.told.paper) row.append(button(say("clear"), () => tell({ paper: null })));
    return [row];
  }

  const ORDER = [
    "journey", "country", "flight", "mode", "role", "departure", "arrival", "area", "origin", "airside",
    "longest", "paper",
  ];
  const INLINE = ["journey", "mode", "role"];
  const named = (list) => (code) => list.find((each) => each.code === code).text[language()];
  const codes = (list) => list.map((each) => each.code);
  const MAKERS = {
    birth: (can) => {
      const row = node("div", null, "choices");
      for (const date of can.births) {
        row.append(button(date.slice(0, 4), () => tell({ date }, "/traveller-birth")));
      }
      return [row];
    },
    mode: (can, name) => choices(can.modes, say, name, can.told.mode),
    journey: (can, name) => {
      const row = node("div", null, "choices");
      for (const value of can.journeys) {
        row.append(button(say(value), () => tell({ [name]: value }), can.told.journey === value ? "told" : ""));
      }
      return [row];
    },
    departure: stepper,
    arrival: stepper,
    airside: hours,
    longest: hours,
    role: (can, name) => choices(codes(can.roles), named(can.roles), name, can.told.role),
    paper,
    area: (can, name) => picker(
      can.areas.map((each) => [each.code, each.text[language()]]), (code) => tell({ [name]: code }), can.told.area),
    origin: (can, name) => picker(
      countries(can.countries), (code) => tell({ [name]: code }), can.told.origin),
    country: (can, name) => picker(
      countries(can.countries), (code) => tell({ [name]: code }), can.told.country),
    flight,
  };

  panel.addEventListener("pointerdown", stay);
  panel.addEventListener("keydown", stay);
  at("panel-close").addEventListener("click", close);
  return { why, journey, wholeName, close, keepUp, post, kind: () => open && open.kind };
}
