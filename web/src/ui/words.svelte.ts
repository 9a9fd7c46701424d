// What the client says, in the language of the person.

import { dayKey } from "./days";
import { en, type Words } from "./words/en";

const LANGUAGES = {
  en: async () => en,
  de: async () => (await import("./words/de")).de,
} satisfies Record<string, () => Promise<Words>>;

export type Language = keyof typeof LANGUAGES;
export const languages: [Language, string][] = [["en", "English"], ["de", "Deutsch"]];

class Speech {
  words = $state.raw<Words>(en);
  language = $state<Language>("en");
}

const speech = new Speech();

/** Words by name, of the language that is chosen: `t.logIn`. */
export const t = new Proxy({} as Words, {
  get: (_, name) => speech.words[name as keyof Words],
});

export function language(): Language {
  return speech.language;
}

/** The language that a person prefers, of those that are there. */
export function preferred(wanted: readonly string[]): Language {
  const known = wanted.map((tag) => tag.slice(0, 2).toLowerCase());
  return (known.find((tag) => tag in LANGUAGES) as Language | undefined) ?? "en";
}

export async function speak(language: Language): Promise<void> {
  speech.words = await LANGUAGES[language]();
  speech.language = language;
  document.documentElement.lang = language;
}

const formats: Record<string, Intl.DateTimeFormat> = {};

function format(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  return (formats[`${speech.language} ${JSON.stringify(options)}`] ??= new Intl.DateTimeFormat(locale(), options));
}

/** A region that the person prefers writes times in its own way. */
function locale(): string {
  return navigator.languages.find((tag) => tag.startsWith(speech.language)) ?? speech.language;
}

/** The last moment that a calendar knows: whatever a server says, it is written as a date. */
const LAST = 8.64e15;

function written(options: Intl.DateTimeFormatOptions, ts: number): string {
  return format(options).format(Math.min(Math.max(ts, -LAST), LAST) || 0);
}

export function timeOf(ts: number): string {
  return written({ hour: "2-digit", minute: "2-digit" }, ts);
}

/** Today, Yesterday, or a date. */
export function dayOf(ts: number, now = Date.now()): string {
  if (dayKey(ts) === dayKey(now)) return t.today;
  if (dayKey(ts) === dayKey(now - 86_400_000)) return t.yesterday;
  const year = { year: "numeric" } as const;
  const isThisYear = written(year, ts) === written(year, now);
  return written({ weekday: "long", day: "numeric", month: "long", ...(!isThisYear && year) }, ts);
}

/** A month, with its year. */
export function monthOf(ts: number): string {
  return written({ month: "long", year: "numeric" }, ts);
}

/** The time of today, the weekday of this week, else the date: for narrow places. */
export function when(ts: number, now = Date.now()): string {
  if (ts === 0) return "";
  if (dayKey(ts) === dayKey(now)) return timeOf(ts);
  if (now - ts < 6 * 86_400_000) return written({ weekday: "short" }, ts);
  return written({ day: "numeric", month: "short" }, ts);
}

export function dateTime(ts: number): string {
  return written({ dateStyle: "medium", timeStyle: "short" }, ts);
}

/** How long ago, roughly: "5 minutes ago". */
export function ago(ts: number, now = Date.now()): string {
  const minutes = Math.round((now - ts) / 60_000);
  if (minutes < 1) return t.justNow;
  const by = new Intl.RelativeTimeFormat(speech.language, { numeric: "auto" });
  if (minutes < 60) return by.format(-minutes, "minute");
  const hours = Math.round(minutes / 60);
  return hours < 24 ? by.format(-hours, "hour") : by.format(-Math.round(hours / 24), "day");
}

/** In how long, never told as less: "in 40 seconds". */
export function ahead(ms: number): string {
  const by = new Intl.RelativeTimeFormat(speech.language, { numeric: "always" });
  const seconds = Math.ceil(ms / 1000);
  if (seconds <= 90) return by.format(seconds, "second");
  const minutes = Math.ceil(seconds / 60);
  return minutes <= 90 ? by.format(minutes, "minute") : by.format(Math.ceil(minutes / 60), "hour");
}

/** Names as a sentence has them: "Lena, Tomasz and Klara". */
export function listed(names: string[]): string {
  return new Intl.ListFormat(speech.language, { type: "conjunction" }).format(names);
}

/** A number with no more than so many digits after its point. */
export function decimal(value: number, digits: number): string {
  return value.toLocaleString(speech.language, { maximumFractionDigits: digits });
}

/** How long something lasts, as players show it. */
export function minutes(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${`${seconds % 60}`.padStart(2, "0")}`;
}

export function fileSize(bytes: number): string {
  const units = ["B", "KB", "MB", "GB"];
  const step = bytes < 1 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), 3);
  const value = bytes / 1000 ** step;
  return `${decimal(value, value < 10 && step > 0 ? 1 : 0)} ${units[step]}`;
}
