/** A failure that one sentence explains to the operator; exit code 2. Anything else thrown is a defect and shows its stack. */
export class Sentence extends Error {}
