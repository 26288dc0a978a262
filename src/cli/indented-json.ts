const htmlSpecial = /[<>&\u2028\u2029]/g;

/** JSON as Go indents it for `cat`: two spaces, HTML's characters escaped. */
export function indentedJson(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(
    htmlSpecial,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
