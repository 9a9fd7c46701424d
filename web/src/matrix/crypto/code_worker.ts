// A worker that looks for a code in pictures, apart from the page: it takes tens of milliseconds for each.

import { decodeQR } from "qr/decode.js";

import { expose } from "./remote";

/** More points on a side than these tell nothing more of a code. */
const SIDE = 1600;
/** How long is looked: there is a next picture of a camera, and none of a file. */
const EFFORTS = { camera: { timeLimit: 60 }, file: { effort: 4, timeLimit: 3000 } };

export type Source = keyof typeof EFFORTS;

let canvas: OffscreenCanvas | undefined;

export const codes = {
  /** What the code in a picture says; `undefined`, if there is none. */
  read(picture: ImageBitmap, source: Source): string | undefined {
    const scale = Math.min(1, SIDE / Math.max(picture.width, picture.height));
    const [width, height] = [Math.ceil(picture.width * scale), Math.ceil(picture.height * scale)];
    canvas ??= new OffscreenCanvas(width, height);
    Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (!context) throw new Error("no canvas");
    // What is see-through is paper.
    context.fillStyle = "white";
    context.fillRect(0, 0, width, height);
    context.drawImage(picture, 0, 0, width, height);
    picture.close();
    const { data } = context.getImageData(0, 0, width, height);
    try {
      return decodeQR({ width, height, data }, EFFORTS[source]);
    } catch {
      return undefined;
    }
  },
};

expose(self, async () => codes);
