// A camera that looks for a code.

/** Why there is no camera; `insecure`: pages that came without a secure connection get none. */
export type NoCamera = "insecure" | "denied" | "none" | "busy";

/** Between two looks: a phone stays cool. */
const PAUSE_MS = 120;

/** Why `getUserMedia` failed. */
export function noCamera(failure: unknown): NoCamera {
  const name = failure instanceof Error ? failure.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return "denied";
  return name === "NotFoundError" || name === "OverconstrainedError" ? "none" : "busy";
}

interface Looking {
  /** Shows what the camera sees. */
  video: HTMLVideoElement;
  /** Something to be looked at; the next picture comes when it was. */
  onpicture: (picture: ImageBitmap) => Promise<void>;
  onready: () => void;
  onfail: (why: NoCamera) => void;
}

/** Looks through a camera until it is told to stop. */
export function look({ video, onpicture, onready, onfail }: Looking): () => void {
  const over = new AbortController();
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  if (!devices) {
    onfail("insecure");
    return () => {};
  }
  const asked = devices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 720 } } });
  asked.then(
    async (stream) => {
      const stop = () => {
        for (const track of stream.getTracks()) track.stop();
        video.srcObject = null;
      };
      if (over.signal.aborted) return stop();
      over.signal.addEventListener("abort", stop);
      // It was pulled out, or taken away by the browser.
      stream.getTracks()[0]?.addEventListener("ended", () => onfail("none"));
      video.srcObject = stream;
      await video.play();
      onready();
      while (!over.signal.aborted) {
        if (video.readyState >= video.HAVE_CURRENT_DATA) await onpicture(await createImageBitmap(video));
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    },
    (failure: unknown) => {
      if (!over.signal.aborted) onfail(noCamera(failure));
    },
  ).catch((failure: unknown) => {
    if (over.signal.aborted) return;
    console.error(failure);
    onfail("busy");
  });
  return () => over.abort();
}
