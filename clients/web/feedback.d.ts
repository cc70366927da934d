/** Sends feedback from a web page: every event is stored by the server or named as refused, none is lost in silence. */

/** A feedback event as the contract has it; the server judges it, and names what is wrong. */
export interface FeedbackEvent {
  /** UUIDv7; made by the client when it is absent. */
  feedback_id?: string;
  inference_request_id: string;
  model_version: string;
  model_name?: string;
  feedback_type: string;
  feedback_value: Record<string, unknown>;
  schema_version?: string;
  metric?: string;
  target?: { output_id?: string; item_id?: string; slot?: string; path?: string; start?: number; end?: number };
  user_context?: Record<string, unknown>;
  source?: { kind: string; id?: string };
  /** RFC 3339; the moment of `send` when it is absent. */
  occurred_at?: string;
  confidence?: number;
  pass_probability?: number;
  rationale?: string;
  supersedes?: string;
  episode_id?: string;
  step?: number;
  traceparent?: string;
  tags?: Record<string, string>;
  metadata?: Record<string, unknown>;
}

/** The fields of an event beside its type and value, for the short forms. */
export type Envelope = Omit<FeedbackEvent, "feedback_type" | "feedback_value">;

export interface Receipt {
  status: "accepted" | "duplicate";
  feedback_id: string;
  /** Where the event stands in the log. */
  offset: number;
  received_at: string;
}

export interface Refusal {
  status: "refused" | "conflict";
  feedback_id: string;
  /** The API's code, `http-NNN` for an answer that is not the API's, or `queue-full`, `gave-up`, `spool-damaged`. */
  code: string;
  errors: { pointer: string; code: string }[];
  detail?: string;
  http_status?: number;
}

export interface Cancelled {
  status: "cancelled";
  feedback_id: string;
}

export type Outcome = Receipt | Refusal | Cancelled;

/** One entry of `GET /v1/feedback-types`. */
export interface FeedbackType {
  name: string;
  version: string;
  reads_as?: string | null;
  metric?: string;
  widget: { kind: string; field?: string; min?: number; max?: number; [more: string]: unknown };
  examples?: Record<string, unknown>[];
  schema?: Record<string, unknown>;
}

export interface ClientOptions {
  /** Where the feedback API is, `https://feedback.example.com`. */
  url: string;
  /** A browser key: scope `ingest:public`. Anyone who opens the page can read it. */
  key: string;
  /** Fields of every event: `user_context`, `model_name`, `tags`, … An event's own fields win. */
  defaults?: Partial<FeedbackEvent>;
  /** Called for each event that will never be stored; without it, the console says so. */
  onRefused?: (refusal: Refusal, event: FeedbackEvent) => void;
  /** Keep unsent events in localStorage: true (default), false, or a name of its own that outlives a change of key. */
  spool?: boolean | string;
  /** Most events waiting; default 1,000. */
  queueEvents?: number;
  /** Most bytes waiting; default 1 MiB. */
  queueBytes?: number;
  /** Most bytes of localStorage, in all tabs together; default 1 MiB. */
  spoolBytes?: number;
  /** How long an answer may take; default 10,000. */
  timeoutMs?: number;
  /** How old an event may grow before it is refused as `gave-up`; default seven days. */
  giveUpAfterMs?: number;
}

export class FeedbackClient {
  /** `browser` is what a page's `window` is: another one in tests and demonstrations. */
  constructor(options: ClientOptions, browser?: unknown);
  /** How many events wait to be sent or acknowledged. */
  readonly pending: number;
  /**
   * Sends one event. Never rejects: resolves when it is stored, refused (`onRefused` is called too) or cancelled.
   * `hold` waits for `release`, or for the page to be left.
   */
  send(event: FeedbackEvent, options?: { hold?: boolean }): Promise<Outcome>;
  thumb(
    fields: Envelope & { positive: boolean; reason_codes?: string[]; comment?: string; corrected_text?: string },
  ): Promise<Outcome>;
  rating(
    fields: Envelope & { score: number; scale_min?: number; scale_max?: number; aspect?: string; comment?: string },
  ): Promise<Outcome>;
  correction(
    fields: Envelope & {
      corrected_text?: string;
      corrected_label?: string | number | boolean;
      corrected_labels?: (string | number | boolean)[];
      corrected_output?: unknown;
      reason_codes?: string[];
    },
  ): Promise<Outcome>;
  preference(
    fields: Envelope & {
      preferred_output_id: string;
      rejected_output_id?: string;
      tie?: boolean;
      strength?: number;
    },
  ): Promise<Outcome>;
  click(
    fields: Envelope & { item_id: string; position?: number; dwell_ms?: number; clicked?: boolean },
  ): Promise<Outcome>;
  /** Takes stored feedback back, by a new event; a browser key may not. */
  retract(fields: Envelope & { retracts: string; reason?: string }): Promise<Outcome>;
  /** Lets a held event go. */
  release(feedback_id: string): void;
  /** Takes an event back before it is sent; false when it may have left already. */
  cancel(feedback_id: string): boolean;
  /** Sends all that waits, held events too, whatever the backoff; resolves to how many are still unsent. */
  flush(): Promise<number>;
  /** Stops; what is unsent stays in the spool for the next page. */
  close(): void;
  /** What `GET /v1/feedback-types` says, asked for once; rejects with FeedbackUnavailable. */
  feedbackTypes(): Promise<FeedbackType[]>;
}

/** The feedback types cannot be had; `code` is the API's, `http-NNN` or `network`. */
export class FeedbackUnavailable extends Error {
  code: string;
}

/** A UUID of version 7; a later one sorts after an earlier one. */
export function newFeedbackId(): string;
