// Draws a dashboard as it ships, with Grafana's own components, for a range of time:
//
//   page.html?file=overview.json&from=SECONDS&to=SECONDS&scrape=SECONDS
//
// Prometheus serves this page and answers its queries. `window.drawn` is a promise of what became of it: the titles of
// the panels without data. What a dashboard has and this page doesn't draw is an error.
import { createTheme, dateTime, getFieldDisplayValues, ThemeContext } from "@grafana/data";
import { BigValue, GlobalStyles, PanelChrome, TimeSeries } from "@grafana/ui";
import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { ask, NOTHING } from "./data.js";

const theme = createTheme({ colors: { mode: "dark" } });
const COLUMNS = 24, ROW = 30, GAP = 8; // Grafana's grid
const MARGIN = 16, HEAD = 48;

function Stat({ panel, frames, width, height }) {
  const { reduceOptions, ...options } = panel.options;
  const about = { data: frames, reduceOptions, sparkline: true, theme, timeZone: "utc" };
  const values = getFieldDisplayValues({ ...about, ...NOTHING });
  if (values.length !== 1) throw new Error(`${panel.title}: ${values.length} values, and one is drawn here`);
  const [{ display, sparkline }] = values;
  // Grafana names a value only beside others.
  const value = { ...display, title: undefined };
  return <BigValue graphMode="area" {...options} {...{ value, sparkline, theme, width, height }} />;
}

function Series({ panel, frames, timeRange, width, height }) {
  const { legend } = panel.options;
  return <TimeSeries structureRev={1} timeZone="utc" {...{ frames, legend, timeRange, width, height }} />;
}

const KINDS = { stat: Stat, timeseries: Series };

function Inside({ panel, about, width, height }) {
  const [frames, setFrames] = useState();
  useEffect(() => {
    // Axes are drawn once, with the fonts that are there.
    const fonts = ["12px Inter", "500 14px Inter"].map((font) => document.fonts.load(font));
    Promise.all([ask(panel, about, width), ...fonts]).then(([frames]) => {
      setFrames(frames);
      about.answered(panel, frames);
    }, about.failed);
  }, []);
  if (!frames) return null;
  if (!frames.length) return <div style={{ height, display: "grid", placeItems: "center" }}>No data</div>;
  const Kind = KINDS[panel.type];
  return <Kind timeRange={about.timeRange} {...{ panel, frames, width, height }} />;
}

function Panel({ panel, about, column }) {
  const { title, description, gridPos: { x, y, w, h } } = panel;
  const size = { width: w * column - GAP, height: h * (ROW + GAP) - GAP };
  return (
    <div style={{ position: "absolute", left: MARGIN + x * column, top: HEAD + y * (ROW + GAP) }}>
      <PanelChrome {...{ title, description, ...size }}>
        {(width, height) => <Inside {...{ panel, about, width, height }} />}
      </PanelChrome>
    </div>
  );
}

function Dashboard({ dashboard, about }) {
  const { from, to } = about.timeRange;
  const column = (window.innerWidth - 2 * MARGIN + GAP) / COLUMNS;
  const bottom = Math.max(...dashboard.panels.map(({ gridPos: { y, h } }) => y + h));
  return (
    <div style={{ position: "relative", height: HEAD + bottom * (ROW + GAP) + MARGIN }}>
      <div style={{ display: "flex", justifyContent: "space-between", padding: `12px ${MARGIN}px` }}>
        <span style={theme.typography.h4}>{dashboard.title}</span>
        <span style={{ color: theme.colors.text.secondary }}>
          {from.format("YYYY-MM-DD HH:mm:ss")} to {to.format("HH:mm:ss")} UTC
        </span>
      </div>
      {dashboard.panels.map((panel) => <Panel key={panel.id} {...{ panel, about, column }} />)}
    </div>
  );
}

async function draw() {
  const asked = new URLSearchParams(location.search);
  const [from, to] = ["from", "to"].map((name) => dateTime(asked.get(name) * 1000).utc());
  const dashboard = await (await fetch(asked.get("file"))).json();
  for (const { type, title } of dashboard.panels) {
    if (!KINDS[type]) throw new Error(`${title}: no ${type} is drawn here`);
  }
  const empty = [];
  let left = dashboard.panels.length;
  await new Promise((resolve, failed) => {
    const answered = (panel, frames) => {
      if (!frames.length) empty.push(panel.title);
      if (--left === 0) resolve();
    };
    const timeRange = { from, to, raw: { from, to } }, scrape = Number(asked.get("scrape"));
    const about = { timeRange, scrape, theme, answered, failed };
    createRoot(document.getElementById("dashboard")).render(
      <ThemeContext.Provider value={theme}>
        <GlobalStyles />
        <Dashboard {...{ dashboard, about }} />
      </ThemeContext.Provider>,
    );
  });
  return empty;
}

window.drawn = draw();
