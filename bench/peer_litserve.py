"""Serves a TorchScript file with LitServe, for bench/serving.

usage: peer_litserve.py MODEL.pt PORT BATCH MILLISECONDS WORKERS
BATCH: at most so many requests together, and so long is waited for them; 1: no batches.
POST /predict {"data": [784 numbers]}
"""
import sys

import litserve
import torch

file, port, batch, milliseconds, workers = sys.argv[1], *map(int, sys.argv[2:6])


class Cnn(litserve.LitAPI):
    def setup(self, device):
        torch.set_num_threads(1)
        self.network = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.load(file).eval()))
        for count in (1, batch, 1, batch):  # it compiles itself in its first calls
            self.scores(torch.zeros(count, 1, 28, 28))

    @torch.inference_mode()
    def scores(self, images):
        return self.network(images)

    def decode_request(self, request):
        return request["data"]

    def batch(self, inputs):
        return torch.tensor(inputs)

    def predict(self, inputs):
        images = inputs if batch > 1 else torch.tensor([inputs])
        return self.scores(images.view(-1, 1, 28, 28)).tolist()

    def unbatch(self, output):
        return output

    def encode_response(self, output):
        scores = output if batch > 1 else output[0]
        return {"prediction": scores.index(max(scores)), "scores": scores}


if __name__ == "__main__":
    api = Cnn(max_batch_size=batch, batch_timeout=milliseconds / 1000)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=workers)
    server.run(host="127.0.0.1", port=port, log_level="error", generate_client_file=False)
