/** `<feedback-widget>`: asks a person what they think of an answer, and sends it. */

import { FeedbackClient, type FeedbackEvent, type Outcome } from "./feedback.js";

export { FeedbackClient };

/** A `feedback_value`. */
export type Value = Record<string, any>;

export interface Output {
  output_id: string;
  /** A text, a label, `{text}` or `{label}`; without it the page shows the output itself. */
  content?: unknown;
  /** What people call it; default "Answer A". */
  name?: string;
}

/** What a control is told: what the page has said, and whom to tell the answer. */
export interface Question {
  /** The type's `widget`, as `GET /v1/feedback-types` has it. */
  widget: { kind: string; field?: string; min?: number; max?: number; [more: string]: unknown };
  outputs: Output[];
  labels: unknown[] | undefined;
  text: string;
  asksWhy: boolean;
  isShuffled: boolean;
  say(name: string, values?: Record<string, string | number>): string;
  /** Gives the value; again, with another one, while it can be undone. `extra` are fields of the envelope. */
  answer(value: Value, extra?: Record<string, unknown>): void;
  comment(text: string): void;
  undo(): void;
}

export interface Control {
  element: HTMLElement;
  /** What opens below it. */
  panel?: HTMLElement;
  /** The role of `element`; default `group`. */
  role?: string;
  isWide?: boolean;
  /** Shows a value as chosen, or none. */
  show(value: Value | null): void;
  /** Closes it to further choices. */
  lock(isLocked: boolean): void;
  focus(): void;
}

/** Draws a control, or nothing where what it needs is missing. */
export type DrawControl = (question: Question) => Control | undefined;

/** What a question knows of the widget it stands in. */
export interface Host {
  client: FeedbackClient;
  inference: string;
  say: Question["say"];
  question: string | undefined;
  shown: Pick<Question, "outputs" | "labels" | "text" | "asksWhy" | "isShuffled">;
  undo: "hold" | "retract" | "none";
  undoMs: number;
  event(feedback_type: string, feedback_value: Value): FeedbackEvent;
  dispatch(name: string, detail: Record<string, unknown>): void;
}

export type FeedbackDetail = Outcome & { feedback_type: string; feedback_value: Value };

export class FeedbackWidget extends HTMLElement {
  /** How each kind of widget is drawn; a page may add kinds. */
  static controls: Map<string, DrawControl>;
  /** Texts by language tag. */
  static languages: Record<string, Record<string, string>>;
  /** The client of every widget that has none of its own. */
  static client: FeedbackClient | undefined;
  client: FeedbackClient | undefined;
  outputs: Output[];
  labels: unknown[] | undefined;
  texts: Record<string, string> | undefined;
  text: string;
  /** More fields of every event: `target`, `user_context`, `episode_id`, … */
  fields: Partial<FeedbackEvent>;
}

declare global {
  interface HTMLElementTagNameMap {
    "feedback-widget": FeedbackWidget;
  }
  interface HTMLElementEventMap {
    "feedback-sent": CustomEvent<FeedbackDetail>;
    "feedback-refused": CustomEvent<FeedbackDetail>;
    "feedback-undone": CustomEvent<{ feedback_id: string; feedback_type: string }>;
    "feedback-unavailable": CustomEvent<{ code: string }>;
  }
}
