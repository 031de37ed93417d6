export { globToRegExp } from './glob.ts'
