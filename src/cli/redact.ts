/** Credentials inside a URL: `scheme://user:password@host`. */
const urlPassword = /([a-z][a-z0-9+.-]*:\/\/[^\s/:@]*:)[^\s/@]+@/gi;

/** Variables whose values are secrets wherever they appear. */
const secretVariable =
  /(^|_)(PASSWORD2?|PASSPHRASE|SECRET_ACCESS_KEY|SESSION_TOKEN|SECRET_KEY|ACCOUNT_KEY|TOKEN)$/;

/** Shorter texts are no secrets worth hiding, and hiding them would garble messages and tell them by the gaps. */
const secretCharactersMin = 6;

/** Takes secrets out of what goes to people and logs. */
export interface Redactor {
  /** From now on this text is shown as `***`. */
  hide(secret: string): void;
  redact(text: string): string;
}

export function createRedactor(env: Readonly<Record<string, string | undefined>> = {}): Redactor {
  const secrets = new Set<string>();
  const hide = (secret: string): void => {
    if (secret.length >= secretCharactersMin) secrets.add(secret);
  };
  for (const [name, content] of Object.entries(env)) {
    if (content !== undefined && secretVariable.test(name)) hide(content);
  }
  return {
    hide,
    redact(text) {
      let clean = text.replace(urlPassword, '$1***@');
      for (const secret of secrets) clean = clean.replaceAll(secret, '***');
      return clean;
    },
  };
}
