export { openChordsFor } from './open-chords-for.ts'
export { OpenChords, type OpenChord, type OpenChordsOptions } from './open-chords.ts'
