"""The official OpenAI client against a server.

    HADAL=.build/release/hadal python -m unittest discover -s Tests/Clients

starts the server with its bundled model, or with the arguments in SERVER_ARGUMENTS; a server that
runs already is named by SERVER_URL instead. Its model needs a tokenizer and a chat format.
"""

import json
import os
import shlex
import unittest
import urllib.request
import uuid

import openai
from prometheus_client.parser import text_string_to_metric_families

from server import PATIENCE, PROMPT, Server

URL = os.environ.get("SERVER_URL", "")
MESSAGES = [{"role": "user", "content": "Tell me a story about a small bird."}]


def setUpModule():
    global URL
    if URL:
        return
    server = Server(
        "--access-log", "off", *shlex.split(os.environ.get("SERVER_ARGUMENTS", "")))
    unittest.addModuleCleanup(server.close)
    URL = server.url


class ClientTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = openai.OpenAI(
            base_url=URL + "/v1", api_key="none", max_retries=0, timeout=PATIENCE)
        cls.model = cls.client.models.list().data[0].id

    @classmethod
    def tearDownClass(cls):
        cls.client.close()

    def complete(self, **options):
        options = {"prompt": PROMPT, "max_tokens": 12, "temperature": 0} | options
        return self.client.completions.create(model=self.model, **options)

    def chat(self, **options):
        options = {"messages": MESSAGES, "max_tokens": 12, "temperature": 0} | options
        return self.client.chat.completions.create(model=self.model, **options)

    def post(self, path, body):
        request = urllib.request.Request(
            URL + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)


class Models(ClientTest):
    def test_list_and_retrieve(self):
        card = self.client.models.retrieve(self.model)
        self.assertEqual(card.id, self.model)
        self.assertGreater(card.max_model_len, 0)

    def test_health(self):
        with urllib.request.urlopen(URL + "/health") as answer:
            self.assertEqual(json.load(answer), {"status": "ok"})

    def test_tokenize_and_back(self):
        text = "The bird said: héllo, 世界!"
        tokens = self.post("/tokenize", {"prompt": text, "add_special_tokens": False})
        self.assertEqual(tokens["count"], len(tokens["tokens"]))
        back = self.post("/detokenize", {"tokens": tokens["tokens"]})
        self.assertEqual(back["prompt"], text)


class Completions(ClientTest):
    def test_whole(self):
        answer = self.complete()
        self.assertEqual(answer.object, "text_completion")
        self.assertTrue(answer.choices[0].text)
        self.assertIn(answer.choices[0].finish_reason, ("stop", "length"))
        self.assertLessEqual(answer.usage.completion_tokens, 12)
        self.assertEqual(
            answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)
        self.assertLess(
            answer.usage.prompt_tokens_details.cached_tokens, answer.usage.prompt_tokens)

    def test_streamed_equals_whole(self):
        whole = self.complete(max_tokens=40)
        chunks = list(self.complete(
            max_tokens=40, stream=True, stream_options={"include_usage": True}))
        text = "".join(c.choices[0].text for c in chunks if c.choices)
        self.assertEqual(text, whole.choices[0].text)
        self.assertEqual(chunks[-1].usage, whole.usage)
        self.assertEqual(chunks[-2].choices[0].finish_reason, whole.choices[0].finish_reason)
        self.assertGreater(len(chunks), 2)

    def test_prompts_of_every_form(self):
        tokens = self.post("/tokenize", {"prompt": PROMPT})["tokens"]
        one = self.complete()
        for prompt in (tokens, [PROMPT], [tokens]):
            self.assertEqual(self.complete(prompt=prompt).choices[0].text, one.choices[0].text)
        two = self.complete(prompt=[PROMPT, "The cat"], n=2)
        self.assertEqual([c.index for c in two.choices], [0, 1, 2, 3])
        self.assertEqual(two.choices[0].text, one.choices[0].text)
        self.assertEqual(two.choices[1].text, one.choices[0].text)

    def test_logprobs(self):
        logprobs = self.complete(logprobs=3).choices[0].logprobs
        for token, chosen, top in zip(
                logprobs.tokens, logprobs.token_logprobs, logprobs.top_logprobs):
            self.assertLessEqual(chosen, 0)
            self.assertAlmostEqual(top[token], chosen)
            # Greedy: nothing is likelier.
            self.assertEqual(max(top.values()), chosen)
        self.assertEqual(len(logprobs.text_offset), len(logprobs.tokens))

    def test_scoring_agrees_with_generating(self):
        generated = self.complete(logprobs=0, extra_body={"return_token_ids": True}).choices[0]
        scored = self.complete(
            prompt=generated.prompt_token_ids + generated.token_ids, max_tokens=0, echo=True,
            logprobs=0).choices[0].logprobs.token_logprobs
        self.assertIsNone(scored[0])
        count = len(generated.token_ids)
        for one, other in zip(generated.logprobs.token_logprobs, scored[-count:]):
            self.assertAlmostEqual(one, other, places=5)

    def test_stop(self):
        text = self.complete(max_tokens=40).choices[0].text
        stop = text[10:14]
        answer = self.complete(max_tokens=40, stop=[stop]).choices[0]
        self.assertEqual(answer.text, text[:text.index(stop)])
        self.assertEqual(answer.finish_reason, "stop")

    def test_seed(self):
        def sampled(seed):
            answer = self.complete(temperature=1.5, seed=seed, max_tokens=30, n=2)
            return [c.text for c in answer.choices]

        first = sampled(7)
        self.assertEqual(first, sampled(7))
        self.assertNotEqual(first[0], first[1])
        self.assertNotEqual(first, sampled(8))

    def test_vllm_extensions(self):
        answer = self.complete(
            logprobs=0, extra_body={
                "return_token_ids": True, "return_tokens_as_token_ids": True, "ignore_eos": True,
                "top_k": 1, "min_p": 0.1, "repetition_penalty": 1.0, "priority": -1,
                "cache_salt": "tenant"})
        choice = answer.choices[0]
        self.assertEqual(len(choice.token_ids), 12)
        self.assertEqual(choice.logprobs.tokens, [f"token_id:{t}" for t in choice.token_ids])

    def test_llama_server_extensions(self):
        def ask(**body):
            return self.complete(extra_body={"ignore_eos": True} | body)

        self.assertEqual(ask(max_tokens=None, n_predict=3).usage.completion_tokens, 3)
        # As many tokens as fit, and not the 16 of whoever says nothing.
        answer = self.complete(max_tokens=None, extra_body={"n_predict": -1})
        self.assertGreater(answer.usage.completion_tokens, 16)
        prompt = uuid.uuid4().hex * 8
        cached = [
            ask(prompt=prompt, n_predict=1, max_tokens=None, cache_prompt=cache
                ).usage.prompt_tokens_details.cached_tokens
            for cache in (False, True, False, True)]
        self.assertEqual(cached[:3], [0, 0, 0])
        self.assertGreater(cached[3], 0)


class Metrics(ClientTest):
    def scrape(self):
        with urllib.request.urlopen(URL + "/metrics") as answer:
            self.assertEqual(
                answer.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
            text = answer.read().decode()
        samples, families = {}, set()
        for family in text_string_to_metric_families(text):
            self.assertNotIn(family.name, families)
            families.add(family.name)
            self.assertIn(family.type, ("counter", "gauge", "histogram"))
            self.assertTrue(family.documentation)
            for sample in family.samples:
                labels = dict(sample.labels)
                if "model_name" in labels:
                    self.assertEqual(labels.pop("model_name"), self.model)
                labels.pop("engine", None)
                samples[sample.name, *sorted(labels.items())] = sample.value
        return samples

    def test_answers_and_experts_are_counted(self):
        def grown(name, **labels):
            key = name, *sorted(labels.items())
            return after[key] - before[key]

        before = self.scrape()
        self.complete(max_tokens=5, n=3, extra_body={"ignore_eos": True})
        self.complete(max_tokens=5, stop=" ")
        after = self.scrape()
        self.assertEqual(grown("vllm:request_success_total", finished_reason="length"), 3)
        self.assertEqual(grown("vllm:request_success_total", finished_reason="stop"), 1)
        layers = {labels[0][1] for name, *labels in after if name == "hadal_expert_passes_total"}
        self.assertTrue(layers)
        for layer in layers:
            tokens = {
                labels[0][1]: value for (name, *labels), value in after.items()
                if name == "hadal_expert_tokens_total" and labels[1][1] == layer}
            self.assertEqual(sorted(map(int, tokens)), list(range(len(tokens))))
            passes = after["hadal_expert_passes_total", ("layer", layer)]
            active = after["hadal_active_experts_total", ("layer", layer)]
            if passes:
                self.assertEqual(
                    after["hadal_active_experts_per_pass", ("layer", layer)], active / passes)
                self.assertAlmostEqual(
                    after["hadal_expert_load_max_over_mean", ("layer", layer)],
                    max(tokens.values()) * len(tokens) / sum(tokens.values()))
        self.assertGreater(grown("hadal_expert_passes_total", layer=min(layers, key=int)), 0)


class PrefixCache(ClientTest):
    def cached(self, usage):
        return usage.prompt_tokens_details.cached_tokens

    def salt(self):
        """A tenant whose cache is empty."""
        return {"cache_salt": uuid.uuid4().hex}

    def test_a_prompt_again(self):
        salt = self.salt()
        options = {"prompt": PROMPT * 30, "extra_body": salt}
        first, again = self.complete(**options), self.complete(**options)
        self.assertEqual(self.cached(first.usage), 0)
        self.assertGreaterEqual(self.cached(again.usage), 64)
        self.assertLess(self.cached(again.usage), again.usage.prompt_tokens)
        self.assertEqual(again.choices[0].text, first.choices[0].text)
        other = self.complete(**options | {"extra_body": self.salt()})
        self.assertEqual(self.cached(other.usage), 0)
        streamed = list(self.complete(
            **options, stream=True, stream_options={"include_usage": True}))[-1]
        self.assertEqual(streamed.usage, again.usage)

    def test_the_second_turn_of_a_chat(self):
        salt = self.salt()
        messages = [{"role": "user", "content": "Tell me a story. " * 20}]
        first = self.chat(messages=messages, max_tokens=100, extra_body=salt)
        messages += [first.choices[0].message.model_dump(exclude_unset=True),
                     {"role": "user", "content": "And then?"}]
        second = self.chat(messages=messages, extra_body=salt)
        self.assertGreaterEqual(self.cached(second.usage), first.usage.prompt_tokens // 64 * 64)
        alone = self.chat(messages=messages, extra_body=self.salt())
        self.assertEqual(self.cached(alone.usage), 0)
        self.assertEqual(second.choices[0].message, alone.choices[0].message)


class Chats(ClientTest):
    def test_whole(self):
        answer = self.chat()
        self.assertEqual(answer.choices[0].message.role, "assistant")
        self.assertTrue(answer.choices[0].message.content)
        self.assertTrue(answer.id.startswith("chatcmpl-"))

    def test_streamed_equals_whole(self):
        whole = self.chat(max_tokens=60)
        chunks = list(self.chat(
            max_tokens=60, stream=True, stream_options={"include_usage": True}))
        self.assertEqual(chunks[0].choices[0].delta.role, "assistant")
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        self.assertEqual(text, whole.choices[0].message.content)
        self.assertEqual(chunks[-1].usage, whole.usage)
        self.assertEqual(chunks[-2].choices[0].finish_reason, whole.choices[0].finish_reason)

    def test_stream_helper(self):
        # The helper takes an answer that was cut off for an error, so this one stops by itself.
        whole = self.chat(stop=" ").choices[0]
        self.assertEqual(whole.finish_reason, "stop")
        with self.client.chat.completions.stream(
                model=self.model, messages=MESSAGES, max_tokens=12, temperature=0,
                stop=" ") as stream:
            for _ in stream:
                pass
            final = stream.get_final_completion()
        self.assertEqual(final.choices[0].message.content, whole.message.content)

    def test_logprobs(self):
        content = self.chat(logprobs=True, top_logprobs=2).choices[0].logprobs.content
        for entry in content:
            self.assertEqual(len(entry.top_logprobs), 2)
            self.assertEqual(entry.top_logprobs[0].logprob, entry.logprob)
            self.assertEqual(
                bytes(entry.bytes).decode("utf-8", "replace"), entry.token)

    def test_n_seed_and_stop(self):
        def answers():
            answer = self.chat(n=2, seed=3, temperature=1.2, max_tokens=20)
            return [c.message.content for c in answer.choices]

        first = answers()
        self.assertEqual(first, answers())
        self.assertNotEqual(first[0], first[1])
        text = self.chat(max_tokens=40).choices[0].message.content
        stop = text[8:12]
        stopped = self.chat(max_tokens=40, stop=stop).choices[0]
        self.assertEqual(stopped.message.content, text[:text.index(stop)])

    def test_a_conversation_goes_on(self):
        first = self.chat(max_tokens=20).choices[0].message
        messages = MESSAGES + [
            first.model_dump(exclude_unset=True),
            {"role": "user", "content": [{"type": "text", "text": "And then?"}]},
        ]
        self.assertTrue(self.chat(messages=messages).choices[0].message.content)


class Errors(ClientTest):
    def check(self, kind, status, call, param=None, code=None):
        with self.assertRaises(kind) as caught:
            call()
        self.assertIs(type(caught.exception), kind)
        self.assertEqual(caught.exception.status_code, status)
        self.assertTrue(caught.exception.body["message"])
        if param:
            self.assertEqual(caught.exception.param, param)
        if code:
            self.assertEqual(caught.exception.code, code)

    def test_bad_requests(self):
        bad = openai.BadRequestError
        self.check(bad, 400, lambda: self.complete(temperature=-1), "temperature")
        self.check(bad, 400, lambda: self.complete(logprobs=21), "logprobs")
        self.check(bad, 400, lambda: self.complete(suffix="x"), "suffix")
        self.check(bad, 400, lambda: self.complete(prompt=[10 ** 9]), "prompt")
        self.check(
            bad, 400, lambda: self.complete(max_tokens=10 ** 9), "max_tokens",
            "context_length_exceeded")
        self.check(bad, 400, lambda: self.complete(extra_body={"no_such": 1}), "no_such")
        self.check(bad, 400, lambda: self.complete(extra_body={"priority": "high"}), "priority")
        self.check(bad, 400, lambda: self.chat(extra_body={"cache_salt": ""}), "cache_salt")
        self.check(bad, 400, lambda: self.chat(messages=[]), "messages")
        self.check(bad, 400, lambda: self.chat(
            tools=[{"type": "function", "function": {"name": "f"}}]), "tools")
        self.check(bad, 400, lambda: self.chat(
            response_format={"type": "json_object"}), "response_format")

    def test_not_found(self):
        missing = openai.NotFoundError
        self.check(missing, 404, lambda: self.client.completions.create(
            model="no-such-model", prompt="x"), "model", "model_not_found")
        self.check(missing, 404, lambda: self.client.models.retrieve("no-such-model"))
        self.check(missing, 404, lambda: self.client.embeddings.create(model="x", input="y"))

    def test_too_large(self):
        self.check(
            openai.APIStatusError, 413, lambda: self.complete(prompt="x" * (9 << 20)))


class Disconnects(ClientTest):
    def test_a_client_that_leaves_does_no_harm(self):
        for _ in range(20):
            with self.complete(
                    max_tokens=200, stream=True, n=4, extra_body={"ignore_eos": True}) as stream:
                next(iter(stream))
        self.assertTrue(self.complete().choices[0].text)


if __name__ == "__main__":
    unittest.main()
