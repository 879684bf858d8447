#!/usr/bin/env python3
"""A client that people use against a running mlpipe-serve.

usage: clients.py CLIENT PORT ADMIN_PORT GRPC_PORT TOKEN

CLIENT is one of the names at the end of this file; each has a process of its own, because some of them cannot be
loaded into one. The model is the tests' tiny one: four values, the labels "0", "1", "2", always the same scores with
the label "1" the best. Exit status: 0 passed, 1 failed, 77 it is not installed, and the reason is printed.
"""

import importlib
import math
import signal
import sys

CLIENT, PORT, ADMIN_PORT, GRPC_PORT, TOKEN = sys.argv[1:6] if len(sys.argv) == 6 else sys.exit(__doc__)
MODEL = "tiny"
EXAMPLES = [[1.0, 2.0, 3.0, 4.0], [0.5, 0.25, 0.0, -1.0]]
BEST = math.exp(2) / (math.exp(2) + 2)


def check_scores(scores):
    assert scores.shape == (2, 3), scores.shape
    for row in scores:
        assert abs(float(row[1]) - BEST) < 1e-6, row


def check_labels(labels):
    texts = [label.decode() if isinstance(label, bytes) else str(label) for label in labels]
    assert texts == ["1", "1"], texts


def triton_inputs(client, numpy, binary=None):
    tensor = client.InferInput("input", [2, 4], "FP32")
    values = numpy.array(EXAMPLES, dtype=numpy.float32)
    if binary is None:
        tensor.set_data_from_numpy(values)
    else:
        tensor.set_data_from_numpy(values, binary_data=binary)
    return [tensor]


def check_triton(triton, client, extra_arguments):
    """What both of Triton's clients can do."""
    assert triton.is_server_live() and triton.is_server_ready()
    assert triton.is_model_ready(MODEL)
    assert not triton.is_model_ready("no-such-model")
    for inputs, outputs in extra_arguments:
        answer = triton.infer(MODEL, inputs, outputs=outputs, request_id="x")
        check_scores(answer.as_numpy("scores"))
        check_labels(answer.as_numpy("label"))
    try:
        triton.infer("no-such-model", extra_arguments[0][0])
        raise AssertionError("an unknown model answered")
    except Exception as failure:  # each client has a type of its own
        assert "no-such-model" in str(failure), failure


def triton_http():
    client = importlib.import_module("tritonclient.http")
    numpy = importlib.import_module("numpy")
    triton = client.InferenceServerClient(f"127.0.0.1:{PORT}")
    outputs = {
        binary: [client.InferRequestedOutput(name, binary_data=binary) for name in ("scores", "label")]
        for binary in (True, False)
    }
    check_triton(
        triton,
        client,
        [(triton_inputs(client, numpy, binary), outputs[wanted]) for binary in outputs for wanted in outputs]
        + [(triton_inputs(client, numpy, True), None)],
    )
    best = [client.InferRequestedOutput("scores", binary_data=True, class_count=2)]
    classes = triton.infer(MODEL, triton_inputs(client, numpy, True), outputs=best).as_numpy("scores")
    assert classes.shape == (2, 2) and classes[0][0].decode().endswith(":1:1"), classes
    metadata = triton.get_model_metadata(MODEL)
    assert metadata["inputs"][0] == {"name": "input", "datatype": "FP32", "shape": [-1, 4]}, metadata
    assert triton.get_model_config(MODEL)["max_batch_size"] > 0
    statistics = triton.get_inference_statistics(MODEL)["model_stats"][0]
    assert statistics["inference_stats"]["success"]["count"] > 0, statistics
    assert "binary_tensor_data" in triton.get_server_metadata()["extensions"]
    triton.close()


def triton_repository():
    client = importlib.import_module("tritonclient.http")
    headers = {"Authorization": f"Bearer {TOKEN}"}
    triton = client.InferenceServerClient(f"127.0.0.1:{ADMIN_PORT}")
    states = {row["name"]: row["state"] for row in triton.get_model_repository_index(headers=headers)}
    assert states == {MODEL: "READY", "other": "UNAVAILABLE"}, states
    triton.load_model("other", headers=headers)
    states = {row["name"]: row["state"] for row in triton.get_model_repository_index(headers=headers)}
    assert states["other"] == "READY", states
    triton.unload_model("other", headers=headers)
    triton.close()


def triton_grpc():
    client = importlib.import_module("tritonclient.grpc")
    numpy = importlib.import_module("numpy")
    triton = client.InferenceServerClient(f"127.0.0.1:{GRPC_PORT}")
    outputs = [client.InferRequestedOutput(name) for name in ("scores", "label")]
    inputs = triton_inputs(client, numpy)
    check_triton(triton, client, [(inputs, outputs), (inputs, None)])
    best = [client.InferRequestedOutput("scores", class_count=2)]
    assert triton.infer(MODEL, inputs, outputs=best).as_numpy("scores").shape == (2, 2)
    assert triton.get_model_metadata(MODEL).inputs[0].shape == [-1, 4]
    statistics = triton.get_inference_statistics(MODEL).model_stats[0]
    assert statistics.inference_stats.success.count > 0, statistics
    answer = triton.infer(MODEL, inputs, client_timeout=30, timeout=10_000_000)
    assert answer.get_response().model_version == "1"
    triton.close()


def kserve_request(kserve, numpy, binary):
    tensor = kserve.InferInput("input", [2, 4], "FP32")
    tensor.set_data_from_numpy(numpy.array(EXAMPLES, dtype=numpy.float32), binary_data=binary)
    return kserve.InferRequest(model_name=MODEL, infer_inputs=[tensor], request_id="x")


def kserve_scores(answer):
    return [output for output in answer.outputs if output.name == "scores"][0].as_numpy()


def kserve_rest():
    kserve = importlib.import_module("kserve")
    asyncio = importlib.import_module("asyncio")
    numpy = importlib.import_module("numpy")

    async def ask():
        client = kserve.InferenceRESTClient(kserve.RESTConfig(protocol="v2", retries=0))
        base = f"http://127.0.0.1:{PORT}"
        assert await client.is_server_ready(base)
        assert await client.is_model_ready(base, MODEL)
        for binary in (False, True):
            request = kserve_request(kserve, numpy, binary)
            answer = await client.infer(base, request, model_name=MODEL)
            check_scores(kserve_scores(answer))
        await client.close()

    asyncio.run(ask())


def kserve_grpc():
    kserve = importlib.import_module("kserve")
    asyncio = importlib.import_module("asyncio")
    numpy = importlib.import_module("numpy")

    async def ask():
        client = kserve.InferenceGRPCClient(f"127.0.0.1:{GRPC_PORT}")
        assert await client.is_server_ready() and await client.is_model_ready(MODEL)
        for binary in (False, True):
            check_scores(kserve_scores(await client.infer(kserve_request(kserve, numpy, binary))))
        await client.close()

    asyncio.run(ask())


def plain_requests():
    requests = importlib.import_module("requests")
    base = f"http://127.0.0.1:{PORT}/v2/models/{MODEL}"
    body = {"inputs": [{"name": "input", "shape": [2, 4], "datatype": "FP32", "data": EXAMPLES}]}
    answer = requests.post(f"{base}/infer", json=body, timeout=30)
    answer.raise_for_status()
    outputs = {output["name"]: output for output in answer.json()["outputs"]}
    assert outputs["label"]["data"] == ["1", "1"], outputs
    assert requests.get(f"{base}/ready", timeout=30).json()["ready"] is True
    wrong = requests.post(f"{base}/infer", json={"inputs": []}, timeout=30)
    assert wrong.status_code == 400 and wrong.json()["error"].startswith("inputs: "), wrong.text


signal.alarm(120)  # nothing here takes that long

# The modules that each client needs.
CLIENTS = {
    triton_http: ["tritonclient.http", "numpy"],
    triton_repository: ["tritonclient.http"],
    triton_grpc: ["tritonclient.grpc", "numpy"],
    kserve_rest: ["kserve", "numpy"],
    kserve_grpc: ["kserve", "numpy"],
    plain_requests: ["requests"],
}

for client, modules in CLIENTS.items():
    if client.__name__ == CLIENT:
        try:
            for module in modules:
                importlib.import_module(module)
        except ImportError as failure:
            print(failure)
            sys.exit(77)
        client()
        break
else:
    sys.exit(f"{CLIENT}: there is no such client here")
