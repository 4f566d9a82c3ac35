/** Finds a room, a user or a node by name. Rooms that this page knows of are suggested as one types. */
import { useEffect, useId, useState } from 'preact/hooks';
import { ApiFault, ask, type ExplainAnswer, pathOf, type UserAnswer } from './api.ts';
import { useLive } from './context.ts';
import { go, useRoute } from './route.ts';

const SUGGESTIONS = 8;
/** What may be a room's name. */
const ROOM = /^[A-Za-z0-9][A-Za-z0-9._~:@-]{0,127}$/;

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
    try {
      // Questions that are answered also where there is no such thing: a browser writes each 404 to its console.
      if (ROOM.test(name)) {
        const { record, heldBy } = await ask<ExplainAnswer>('GET', `${pathOf('rooms', name)}/explain`);
        if (record?.owner != null || heldBy.length > 0) {
          setText('');
          return go({ kind: 'room', room: name });
        }
      }
      if ((await ask<UserAnswer>('GET', `${pathOf('users', name)}?empty=1`)).sessions.length > 0) {
        setText('');
        return go({ kind: 'user', user: name });
      }
    } catch (error) {
      // What can be no user's name is nobody's.
      const isNoName = error instanceof ApiFault && error.status === 400;
      if (!isNoName) return setWord(error instanceof Error ? error.message : String(error));
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
