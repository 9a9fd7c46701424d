// Something that is being said aloud: what the microphone hears, and how loud.

const LONGEST_MS = 15 * 60_000;
const KINDS = ["audio/ogg;codecs=opus", "audio/webm;codecs=opus", "audio/mp4"];
/** How often it is looked how loud it is. */
const STEP_MS = 50;
/** How many steps are shown. */
export const RECENT = 60;

export interface Said {
  file: File;
  /** In milliseconds. */
  duration: number;
  /** Between 0 and 1, one for each step. */
  levels: number[];
}

export class Recording {
  /** The microphone is on. */
  isOn = $state(false);
  /** How long it is so far. */
  seconds = $state(0);
  /** How loud it was in the last moments, step by step. */
  recent = $state.raw<readonly number[]>([]);
  readonly #levels: number[] = [];
  #recorder: MediaRecorder | undefined;
  #isWanted = false;

  /** Begins, unless it is `over` before there is a microphone, which a person may be asked for. `onlongest`: it is as long as it may be. */
  async start(over: AbortSignal, onsaid: (said: Said) => void, onlongest: () => void): Promise<void> {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    if (over.aborted) {
      for (const track of stream.getTracks()) track.stop();
      return;
    }
    const mimeType = KINDS.find((kind) => MediaRecorder.isTypeSupported(kind));
    const recorder = (this.#recorder = new MediaRecorder(stream, mimeType ? { mimeType } : {}));
    const parts: Blob[] = [];
    const begin = performance.now();
    const listener = new Loudness(stream);
    const timer = setInterval(() => {
      this.#levels.push(listener.level);
      this.recent = this.#levels.slice(-RECENT);
      this.seconds = Math.floor((performance.now() - begin) / 1000);
      if (this.seconds * 1000 >= LONGEST_MS) onlongest();
    }, STEP_MS);
    recorder.ondataavailable = ({ data }) => void parts.push(data);
    recorder.onstop = () => {
      clearInterval(timer);
      listener.stop();
      for (const track of stream.getTracks()) track.stop();
      if (!this.#isWanted || parts.length === 0) return;
      const type = recorder.mimeType.split(";")[0] || "audio/webm";
      const file = new File(parts, `voice.${type.split("/")[1]}`, { type });
      onsaid({ file, duration: Math.round(performance.now() - begin), levels: this.#levels });
    };
    recorder.start(1000);
    this.isOn = true;
    over.addEventListener("abort", () => this.#stop(), { once: true });
  }

  /** What was said is wanted. */
  finish(): void {
    this.#isWanted = this.isOn;
    this.#stop();
  }

  #stop(): void {
    this.isOn = false;
    if (this.#recorder && this.#recorder.state !== "inactive") this.#recorder.stop();
  }
}

/** How loud a microphone is now. */
class Loudness {
  readonly #context = new AudioContext();
  readonly #analyser = this.#context.createAnalyser();
  readonly #samples = new Float32Array(this.#analyser.fftSize);

  constructor(stream: MediaStream) {
    this.#context.createMediaStreamSource(stream).connect(this.#analyser);
  }

  get level(): number {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    const sum = this.#samples.reduce((sum, sample) => sum + sample * sample, 0);
    return Math.sqrt(sum / this.#samples.length);
  }

  stop(): void {
    void this.#context.close();
  }
}
