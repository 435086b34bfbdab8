/** Placeholder until usage is read. */
import type { Reading } from "./reading";

export function Tokens(_: { reading: Reading }) {
  return null;
}
