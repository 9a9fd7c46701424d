// What a device is called in the list of devices, in the language of its person, until they give it another name.

import { t } from "../../ui/words.svelte";

/** The first that fits: most browsers claim to be others, too. */
const BROWSERS: [RegExp, string][] = [
  [/\bEdg/, "Edge"],
  [/\bOPR\//, "Opera"],
  [/\bSamsungBrowser\//, "Samsung Internet"],
  [/\b(Firefox|FxiOS)\//, "Firefox"],
  [/\b(Chrome|CriOS)\//, "Chrome"],
  [/\bSafari\//, "Safari"],
];

const SYSTEMS: [RegExp, string][] = [
  [/\bAndroid\b/, "Android"],
  [/\b(iPhone|iPad)\b/, "iOS"],
  [/\bMac OS X\b/, "macOS"],
  [/\bWindows\b/, "Windows"],
  [/\bCrOS\b/, "ChromeOS"],
  [/\bLinux\b/, "Linux"],
];

export function deviceName(agent: string = globalThis.navigator?.userAgent ?? ""): string {
  const first = (all: [RegExp, string][]) => all.find(([sign]) => sign.test(agent))?.[1];
  const system = first(SYSTEMS);
  return t.deviceCalled(first(BROWSERS) ?? t.someBrowser, system);
}
