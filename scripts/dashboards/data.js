// What a panel asks Prometheus, as Grafana's data source asks it, and the answers as Grafana's components take them.
import { applyFieldOverrides, FieldType, rangeUtil } from "@grafana/data";

// What Grafana's panel of time series does where the dashboard says nothing.
const TIME_SERIES = {
  axisGridShow: true,
  axisPlacement: "auto",
  drawStyle: "line",
  fillOpacity: 0,
  gradientMode: "none",
  lineInterpolation: "linear",
  lineWidth: 1,
  pointSize: 5,
  scaleDistribution: { type: "linear" },
  showPoints: "auto",
  spanNulls: false,
  stacking: { mode: "none", group: "A" },
  thresholdsStyle: { mode: "off" },
};
const COLORS = { timeseries: { mode: "palette-classic" }, stat: { mode: "thresholds" } };
const THRESHOLDS = { mode: "absolute", steps: [{ value: -Infinity, color: "green" }, { value: 80, color: "red" }] };

// What Grafana's functions want to be told where there is nothing to tell.
export const NOTHING = { fieldConfig: { defaults: {}, overrides: [] }, replaceVariables: (text) => text };

// The series of all queries of a panel that is so many pixels wide.
export async function ask(panel, { timeRange, scrape, theme }, width) {
  const finest = rangeUtil.calculateInterval(timeRange, width, `${scrape}s`);
  const step = Math.max(finest.intervalMs / 1000, scrape);
  const answers = await Promise.all(panel.targets.map((target) => askOne(target, timeRange, step, scrape)));
  const frames = answers.flat();
  for (const field of frames.flatMap(({ fields }) => fields)) configure(field, panel);
  // The rest that a field needs: its place in the palette, and how its values are written.
  return applyFieldOverrides({ data: frames, theme, timeZone: "utc", ...NOTHING });
}

async function askOne({ refId, expr, legendFormat }, { from, to }, step, scrape) {
  const aligned = (time) => Math.floor(time.valueOf() / 1000 / step) * step;
  const rateInterval = Math.max(step + scrape, 4 * scrape);
  const query = expr.replaceAll("$__rate_interval", `${rateInterval}s`).replaceAll("$__interval", `${step}s`);
  if (query.includes("$")) throw new Error(`a variable that is not known here: ${query}`);
  const [start, end] = [aligned(from), aligned(to)];
  const parameters = new URLSearchParams({ query, start, end, step });
  const answer = await (await fetch(`/api/v1/query_range?${parameters}`)).json();
  if (answer.status !== "success") throw new Error(`${query}: ${answer.error}`);
  // Where a series has no value, there is a gap and not a line.
  const times = Array.from({ length: (end - start) / step + 1 }, (_, number) => start + number * step);
  return answer.data.result.map(({ metric, values }) => ({
    refId,
    length: times.length,
    fields: [
      { name: "Time", type: FieldType.time, config: {}, values: times.map((time) => time * 1000) },
      {
        name: "Value",
        type: FieldType.number,
        labels: metric,
        config: { displayNameFromDS: legendFormat.replace(/{{\s*(\w+)\s*}}/g, (_, label) => metric[label] ?? "") },
        values: valuesAt(times, values),
      },
    ],
  }));
}

function valuesAt(times, values) {
  const known = new Map(values.map(([time, value]) => [time, value === "NaN" ? null : Number(value)]));
  return times.map((time) => known.get(time) ?? null);
}

// What the dashboard says of this series, over what Grafana does by itself.
function configure(field, { type, title, fieldConfig }) {
  if (fieldConfig.overrides.length) throw new Error(`${title}: no overrides are drawn here`);
  if (field.type === FieldType.time) return;
  const { custom, ...defaults } = fieldConfig.defaults;
  Object.assign(field.config, { color: COLORS[type], thresholds: THRESHOLDS }, structuredClone(defaults));
  field.config.custom = { ...TIME_SERIES, ...structuredClone(custom) };
}
