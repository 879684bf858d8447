"""Serves a TorchScript file with MLServer, for bench/serving.

usage: peer_mlserver.py MODEL.pt PORT BATCH MILLISECONDS WORKERS
BATCH: at most so many requests together, and so long is waited for them; 1: no batches. WORKERS: processes besides
the one that reads requests; 0: it computes too. Takes the two ports behind PORT as well.
POST /v2/models/cnn/infer, as the Open Inference Protocol has it
"""
import asyncio
import sys

import torch
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.settings import ModelParameters
from mlserver.types import InferenceResponse


class Cnn(MLModel):
    async def load(self):
        torch.set_num_threads(1)
        network = torch.jit.load(self.settings.parameters.uri).eval()
        self.network = torch.jit.optimize_for_inference(torch.jit.freeze(network))
        for count in (1, 32, 1, 32):  # it compiles itself in its first calls
            self.scores(torch.zeros(count, 1, 28, 28))
        return True

    @torch.inference_mode()
    def scores(self, images):
        return self.network(images)

    async def predict(self, payload):
        pixels = NumpyCodec.decode_input(payload.inputs[0])
        scores = self.scores(torch.from_numpy(pixels).view(-1, 1, 28, 28))
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("scores", scores.numpy())])


async def main():
    file, port, batch, milliseconds, workers = sys.argv[1], *map(int, sys.argv[2:6])
    settings = Settings(host="127.0.0.1", http_port=port, grpc_port=port + 1, metrics_port=port + 2, debug=False,
                        parallel_workers=workers, use_structured_logging=False, logging_settings=None)
    model = ModelSettings(name="cnn", implementation="peer_mlserver.Cnn", parameters=ModelParameters(uri=file),
                          max_batch_size=batch, max_batch_time=milliseconds / 1000)
    await MLServer(settings).start([model])


if __name__ == "__main__":
    asyncio.run(main())
