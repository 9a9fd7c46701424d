// What a camera sees, as a file that the browser plays as one: a code in the middle of grey.
import { writeFileSync } from "node:fs";

const [WIDTH, HEIGHT] = [640, 480];
const [BLACK, WHITE, GREY] = [16, 235, 128];
const COLOURLESS = Buffer.alloc((WIDTH * HEIGHT) / 2, 128);

/** The modules of a code that somebody's page shows, with the quiet zone: what `d` of its path draws. */
function modules({ path }) {
  const dark = new Set([...path.matchAll(/M(\d+) (\d+)h1v1h-1z/g)].map(([, x, y]) => `${x} ${y}`));
  return (x, y) => (dark.has(`${x} ${y}`) ? BLACK : WHITE);
}

/** The code that a dialog shows. */
export async function shownCode(dialog) {
  const svg = dialog.locator("svg.code");
  const [, , size] = (await svg.getAttribute("viewBox")).split(" ");
  return { size: Number(size), path: await svg.locator("path").getAttribute("d") };
}

/** Writes the file; without a code, the camera sees grey. */
export function pointCamera(file, code) {
  const luma = Buffer.alloc(WIDTH * HEIGHT, GREY);
  if (code) {
    const colour = modules(code);
    const scale = Math.floor((HEIGHT * 0.9) / code.size);
    const [left, top] = [WIDTH, HEIGHT].map((side) => Math.floor((side - code.size * scale) / 2));
    for (let y = 0; y < code.size * scale; y += 1) {
      for (let x = 0; x < code.size * scale; x += 1) {
        luma[(top + y) * WIDTH + left + x] = colour(Math.floor(x / scale), Math.floor(y / scale));
      }
    }
  }
  const frame = Buffer.concat([Buffer.from("FRAME\n"), luma, COLOURLESS]);
  writeFileSync(file, Buffer.concat([Buffer.from(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F10:1 Ip A1:1 C420jpeg\n`), frame, frame]));
}
