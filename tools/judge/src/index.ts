export { generate, type GenerateOptions } from './generate.ts'
export { judge, summarize, type JudgeOptions, type JudgeReport } from './judge.ts'
export { smaller, shrink } from './shrink.ts'
export { textOf, weightOf, type Node, type Tree } from './tree.ts'
