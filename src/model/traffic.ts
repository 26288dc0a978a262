/** What one storage was asked for: providers charge for requests by their kind, and for bytes that leave them. */
export interface Traffic {
  /** For messages; holds no secret. */
  readonly location: string;
  /** Requests by name, each try counted: the provider's name for it, such as `PutObject`, or the operation's. */
  readonly requests: Map<string, number>;
  /** Content that was saved, and that was loaded. */
  bytesSaved: number;
  bytesLoaded: number;
}
