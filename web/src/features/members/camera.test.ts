import { expect, test, vi } from "vitest";

import { look, noCamera } from "./camera";

test("why there is no camera is told apart", () => {
  const failed = (name: string) => noCamera(new DOMException("", name));
  expect(failed("NotAllowedError")).toBe("denied");
  expect(failed("NotFoundError")).toBe("none");
  expect(failed("OverconstrainedError")).toBe("none");
  expect(failed("NotReadableError")).toBe("busy");
  expect(noCamera("what")).toBe("busy");
});

test("where a page gets no devices, that is said", () => {
  vi.stubGlobal("navigator", {});
  const onfail = vi.fn();
  look({ video: {} as HTMLVideoElement, onpicture: async () => {}, onready: () => {}, onfail });
  expect(onfail).toHaveBeenCalledWith("insecure");
  vi.unstubAllGlobals();
});

test("a camera that is given after it is no longer wanted is switched off", async () => {
  const track = { stop: vi.fn(), addEventListener: vi.fn() };
  const stream = { getTracks: () => [track] };
  let give: (stream: unknown) => void = () => {};
  vi.stubGlobal("navigator", { mediaDevices: { getUserMedia: () => new Promise((resolve) => (give = resolve)) } });
  const video = { play: vi.fn(), srcObject: null } as unknown as HTMLVideoElement;
  const stop = look({ video, onpicture: async () => {}, onready: () => {}, onfail: () => {} });
  stop();
  give(stream);
  await vi.waitFor(() => expect(track.stop).toHaveBeenCalled());
  expect(video.play).not.toHaveBeenCalled();
  vi.unstubAllGlobals();
});
