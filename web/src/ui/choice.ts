import type { IconName } from "./icons";

/** Something that can be done, as menus and lists offer it. */
export interface Choice {
  label: string;
  icon?: IconName;
  isBad?: boolean;
  /** It can be on or off, and this is which. */
  isOn?: boolean;
  onchoose: () => void;
}
