#pragma once

#include <google/protobuf/arena.h>
#include <grpcpp/support/message_allocator.h>
#include <open_inference.pb.h>

#include <array>

namespace mlpipe {

// Makes the request and the answer of an inference in one block, with whatever they consist of. Thread-safe.
class ArenaMessages
    : public grpc::MessageAllocator<inference::ModelInferRequest, inference::ModelInferResponse> {
 public:
  using Holder = grpc::MessageHolder<inference::ModelInferRequest, inference::ModelInferResponse>;

  // It deletes itself when gRPC releases it.
  Holder* AllocateMessages() override { return new ArenaHolder; }

 private:
  class ArenaHolder : public Holder {
   public:
    ArenaHolder() {
      set_request(google::protobuf::Arena::CreateMessage<inference::ModelInferRequest>(&arena_));
      set_response(google::protobuf::Arena::CreateMessage<inference::ModelInferResponse>(&arena_));
    }
    void Release() override { delete this; }

   private:
    static google::protobuf::ArenaOptions options_for(std::array<char, 2048>& block) {
      google::protobuf::ArenaOptions options;
      options.initial_block = block.data();
      options.initial_block_size = block.size();
      return options;
    }

    alignas(8) std::array<char, 2048> block_;
    google::protobuf::Arena arena_{options_for(block_)};
  };
};

}  // namespace mlpipe
