/** Dark or light: as the system is, unless the person chose. */

import { effect, signal } from "@preact/signals";

const KEY = "theme";
const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

export const theme = signal<Theme>("system");

export function keepTheme(): void {
  const kept = localStorage.getItem(KEY);
  theme.value = THEMES.find((one) => one === kept) ?? "system";
  effect(() => {
    document.documentElement.dataset.theme = theme.value;
    localStorage.setItem(KEY, theme.value);
  });
}

export function turnTheme(): void {
  theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length]!;
}
