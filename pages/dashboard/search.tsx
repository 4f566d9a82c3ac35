/** Finds a room, a user or a node by name. Rooms that this page knows of are suggested as one types. */
import { useEffect, useId, useState } from 'preact/hooks';
import { ApiFault, ask, pathOf } from './api.ts';
import { useLive } from './context.ts';
import { go, useRoute } from './route.ts';

const SUGGESTIONS = 8;

export function Search() {
  const live = useLive();
  const id = useId();
  const [text, setText] = useState('');
  const [word, setWord] = useState('');
  const route = useRoute();
  // It was about what is not looked at any more.
  useEffect(() => setWord(''), [route]);
  const found = text === '' ? [] : live.rooms.find(text, SUGGESTIONS);
  const search = async () => {
    const name = text.trim();
    if (name === '') return;
    setWord('');
    if (live.nodes.has(name) && live.rooms.nodeOf(name) === undefined) {
      setText('');
      return go({ kind: 'node', node: name });
    }
    for (const kind of ['rooms', 'users'] as const) {
      try {
        await ask('GET', pathOf(kind, name));
        setText('');
        return go(kind === 'rooms' ? { kind: 'room', room: name } : { kind: 'user', user: name });
      } catch (error) {
        const isOther = error instanceof ApiFault && (error.status === 404 || error.status === 400);
        if (!isOther) return setWord(error instanceof Error ? error.message : String(error));
      }
    }
    setWord(`There is no open room, no user and no node ${name}.`);
  };
  return (
    <form
      class="search"
      onSubmit={(event) => {
        event.preventDefault();
        void search();
      }}
    >
      <label class="hidden-text" for={id}>
        Room, user or node
      </label>
      <input
        id={id}
        class="field"
        type="search"
        list={`${id}-rooms`}
        placeholder="Room, user or node"
        autocomplete="off"
        spellcheck={false}
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setWord('');
        }}
      />
      <datalist id={`${id}-rooms`}>
        {found.map((room) => (
          <option key={room} value={room} />
        ))}
      </datalist>
      <p class="search-word" role="status">
        {word}
      </p>
    </form>
  );
}
