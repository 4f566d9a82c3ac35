/** The branches of a compiled file. Owns: which places of the syntax tree count as one: both ways of an `if` (also where no `else` is
 *  written) and of `?:`, the right side of `&&`, `||` and `??`, cases, defaults, `catch`, and each function as called at all.
 *  Does not know: V8, or who parses. `?.` is left out: V8 does not count it. */

export interface Branch {
  readonly line: number;
  readonly kind: string;
  /** How often it ran, told by the counts at offsets of the source. */
  count(at: (offset: number) => number): number;
}

/** A node as ESTree has it. */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

export function branchesOf(source: string, parse: (source: string) => unknown): Branch[] {
  const lines = lineStarts(source);
  const branches: Branch[] = [];
  const add = (kind: string, place: Node, count: Branch['count'] = (at) => at(place.start)) => {
    branches.push({ line: lineOf(lines, place.start), kind, count });
  };
  walk(parse(source), (node) => {
    switch (node.type) {
      case 'IfStatement': {
        const [yes, no] = [node['consequent'], node['alternate']];
        if (!isNode(yes)) return;
        add('if', yes);
        if (isNode(no)) add('else', no);
        else add('no else', node, (at) => at(node.start) - at(yes.start));
        return;
      }
      case 'ConditionalExpression':
        if (isNode(node['consequent'])) add('?', node['consequent']);
        if (isNode(node['alternate'])) add(':', node['alternate']);
        return;
      case 'LogicalExpression':
        if (isNode(node['right'])) add(String(node['operator']), node['right']);
        return;
      case 'SwitchStatement': {
        const { discriminant, cases } = node;
        const subject = isNode(discriminant) ? source.slice(discriminant.start, discriminant.end) : '';
        for (const one of Array.isArray(cases) ? cases : []) {
          const [first] = isNode(one) && Array.isArray(one['consequent']) ? one['consequent'] : [];
          if (!isNode(first)) continue;
          // `default: x satisfies never` stands for what the types rule out.
          const text = source.slice(first.start, first.end).replace(/^return |;$/g, '');
          if (text !== subject) add('case', first);
        }
        return;
      }
      case 'CatchClause':
        if (isNode(node['body'])) add('catch', node['body']);
        return;
      case 'FunctionDeclaration':
      case 'FunctionExpression':
      case 'ArrowFunctionExpression':
        if (isNode(node['body'])) add('function', node['body']);
    }
  });
  return branches;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value;
}

function walk(value: unknown, visit: (node: Node) => void): void {
  if (Array.isArray(value)) {
    for (const item of value) walk(item, visit);
    return;
  }
  if (!isNode(value)) return;
  visit(value);
  for (const inner of Object.values(value)) if (typeof inner === 'object') walk(inner, visit);
}

function lineStarts(source: string): number[] {
  const starts = [0];
  for (let at = source.indexOf('\n'); at >= 0; at = source.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

function lineOf(starts: readonly number[], offset: number): number {
  let line = starts.length;
  while (line > 1 && (starts[line - 1] ?? 0) > offset) line--;
  return line;
}
