import { ConfigurationError } from '@ct/contracts'

/** `<app>.<function>`; ct knows no module names that would mean the same on every machine (APP-54). */
export function generatedTaskName(appName: string | undefined, fn: { readonly name: string }): string {
  if (fn.name === '') {
    throw new ConfigurationError(
      'A task from a function without a name needs one: app.task("proj.add", (x, y) => x + y).',
    )
  }
  return appName === undefined ? fn.name : `${appName}.${fn.name}`
}
