/** Parts of the URLs of servers, as kombu reads and Celery prints them. */

/** Percent-decoded; a text that is not well encoded stands for itself. */
export function decodeUrlPart(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** The URL, or several with `;` between them, with every password as `**`: in front of the host, and in the query. */
export function maskUrl(text: string): string {
  return text
    .split(';')
    .map((part) => part.replace(/^(\s*[a-z][a-z0-9+.-]*:\/\/)([^:@/]*):(.*)@/is, '$1$2:**@'))
    .join(';')
    .replace(/([?&](?:password|ssl_?password)=)[^&;]*/gi, '$1**')
}
