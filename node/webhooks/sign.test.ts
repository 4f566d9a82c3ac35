import { createHmac } from 'node:crypto';
import { expect, it } from 'vitest';
import { signedHeaders } from './sign.ts';

const BODY = '{"test": 2432232314}';
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

it('signs as Standard Webhooks says: the example of its documentation', () => {
  expect(signedHeaders([SECRET], 'msg_p5jXN8AQM9LWM0D4loKWxJek', 1_614_265_330, BODY)).toEqual({
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  });
});

it('signs with each secret, and takes one without the prefix as it is', () => {
  const plain = 'a secret of sixteen or more';
  const { 'webhook-signature': both } = signedHeaders([SECRET, plain], 'm', 1.9, BODY);
  const expected = createHmac('sha256', plain).update(`m.1.${BODY}`).digest('base64');
  expect(both?.split(' ')).toHaveLength(2);
  expect(both?.split(' ')[1]).toBe(`v1,${expected}`);
});
