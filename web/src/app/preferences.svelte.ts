// What a person likes, on this device.

import { preferred, speak, type Language } from "../ui/words.svelte";

export type Density = "roomy" | "compact";
export type Theme = "system" | "light" | "dark" | "contrast" | "contrast-light" | "contrast-dark";

/** Of the list of rooms, in pixels. */
export const LIST_WIDTHS = { least: 220, most: 520 };

const THEMES: Theme[] = ["system", "light", "dark", "contrast", "contrast-light", "contrast-dark"];

/** A browser that keeps nothing may throw when it is asked. */
function kept(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

export class Preferences {
  #theme = $state<Theme>("system");
  #density = $state<Density>("roomy");
  /** `undefined`: as there is room. */
  #listWidth = $state<number>();
  #language: Language = "en";

  constructor() {
    this.#read();
  }

  /** Does as is chosen in another tab. Answers what ends that. */
  follow(): () => void {
    const hear = () => {
      this.#read();
      void speak(this.#language);
    };
    addEventListener("storage", hear);
    return () => removeEventListener("storage", hear);
  }

  get theme(): Theme {
    return this.#theme;
  }

  set theme(theme: Theme) {
    this.#theme = theme;
    localStorage.setItem("theme", theme);
    this.#show();
  }

  get density(): Density {
    return this.#density;
  }

  set density(density: Density) {
    this.#density = density;
    localStorage.setItem("density", density);
    this.#show();
  }

  get listWidth(): number | undefined {
    return this.#listWidth;
  }

  /** `isKept`: else it is on its way, and other tabs are not told of each pixel. */
  resizeList(width: number | undefined, isKept: boolean): void {
    this.#listWidth = width;
    if (!isKept) return;
    if (width === undefined) localStorage.removeItem("listWidth");
    else localStorage.setItem("listWidth", `${width}`);
  }

  /** Has everything said in the person's language. */
  async speak(language?: Language): Promise<void> {
    if (language) {
      this.#language = language;
      localStorage.setItem("language", language);
    }
    await speak(this.#language);
  }

  #read(): void {
    const theme = kept("theme") as Theme | null;
    this.#theme = theme && THEMES.includes(theme) ? theme : "system";
    this.#density = kept("density") === "compact" ? "compact" : "roomy";
    const width = Number(kept("listWidth") ?? NaN);
    this.#listWidth = width >= LIST_WIDTHS.least && width <= LIST_WIDTHS.most ? width : undefined;
    const language = kept("language");
    this.#language = preferred(language ? [language] : navigator.languages);
    this.#show();
  }

  #show(): void {
    const root = document.documentElement;
    root.dataset["density"] = this.#density;
    if (this.#theme === "system") root.removeAttribute("data-theme");
    else root.dataset["theme"] = this.#theme;
  }
}
