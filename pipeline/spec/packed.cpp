#include "pipeline/spec/packed.hpp"

namespace mlpipe {

// Every member of every struct, once, for both directions. A structured binding that misses one does not
// compile.
auto members(OneOf<Mark> auto& mark) {
  auto& [line, column] = mark;
  return std::tie(line, column);
}
auto members(OneOf<YamlNode> auto& node) {
  auto& [kind, mark, scalar, quoted, items, entries] = node;
  return std::tie(kind, mark, scalar, quoted, items, entries);
}
auto members(OneOf<YamlEntry> auto& entry) {
  auto& [key, key_mark, value] = entry;
  return std::tie(key, key_mark, value);
}
auto members(OneOf<Value> auto& value) {
  auto& [kind, text, number, boolean] = value;
  return std::tie(kind, text, number, boolean);
}
auto members(OneOf<Expression> auto& expression) {
  auto& [kind, offset, constant, reference, operation, operands] = expression;
  return std::tie(kind, offset, constant, reference, operation, operands);
}
auto members(OneOf<Input> auto& input) {
  auto& [step, out] = input;
  return std::tie(step, out);
}
auto members(OneOf<Dependency> auto& dependency) {
  auto& [path, mark] = dependency;
  return std::tie(path, mark);
}
auto members(OneOf<FetchAction> auto& fetch) {
  auto& [url, sha256] = fetch;
  return std::tie(url, sha256);
}
auto members(OneOf<TrainAction> auto& train) {
  auto& [config, model_name] = train;
  return std::tie(config, model_name);
}
auto members(OneOf<RunAction> auto& run) {
  auto& [shell, arguments] = run;
  return std::tie(shell, arguments);
}
auto members(OneOf<ImageSpec> auto& image) {
  auto& [name, mark, kind, built_in, dockerfile, context, target, platform, reference, args, secrets,
         in_registry] = image;
  return std::tie(name, mark, kind, built_in, dockerfile, context, target, platform, reference, args, secrets,
                  in_registry);
}
auto members(OneOf<ImageAction> auto& action) {
  auto& [image] = action;
  return std::tie(image);
}
auto members(OneOf<Strategy::Step> auto& step) {
  auto& [weight, pause] = step;
  return std::tie(weight, pause);
}
auto members(OneOf<Strategy::Term> auto& term) {
  auto& [text, expression] = term;
  return std::tie(text, expression);
}
auto members(OneOf<Strategy> auto& strategy) {
  auto& [canary, steps, abort_if, min_requests, on_no_data] = strategy;
  return std::tie(canary, steps, abort_if, min_requests, on_no_data);
}
auto members(OneOf<Selector> auto& selector) {
  auto& [kind, metric, lowest, count, ids] = selector;
  return std::tie(kind, metric, lowest, count, ids);
}
auto members(OneOf<Resources> auto& resources) {
  auto& [cpu, memory, gpu, cpu_mark, memory_mark, gpu_mark] = resources;
  return std::tie(cpu, memory, gpu, cpu_mark, memory_mark, gpu_mark);
}
auto members(OneOf<Processes> auto& processes) {
  auto& [nodes, of_each] = processes;
  return std::tie(nodes, of_each);
}
auto members(OneOf<Retry> auto& retry) {
  auto& [after_failure, after_kill, after_timeout, limit, backoff, factor, longest_backoff] = retry;
  return std::tie(after_failure, after_kill, after_timeout, limit, backoff, factor, longest_backoff);
}
auto members(OneOf<Tool> auto& tool) {
  auto& [name, mark] = tool;
  return std::tie(name, mark);
}
auto members(OneOf<SecretVariable> auto& secret) {
  auto& [variable, name, mark] = secret;
  return std::tie(variable, name, mark);
}
auto members(OneOf<Condition> auto& condition) {
  auto& [text, mark, expression, values] = condition;
  return std::tie(text, mark, expression, values);
}
auto members(OneOf<MatrixGroup> auto& group) {
  auto& [names, fail_fast, max_parallel] = group;
  return std::tie(names, fail_fast, max_parallel);
}
auto members(OneOf<Toleration> auto& toleration) {
  auto& [key, operation, value, effect, seconds] = toleration;
  return std::tie(key, operation, value, effect, seconds);
}
auto members(OneOf<ClusterPlace> auto& place) {
  auto& [name_space, service_account, image_pull_secrets, node_selector, tolerations, priority_class, queue,
         user, labels, annotations] = place;
  return std::tie(name_space, service_account, image_pull_secrets, node_selector, tolerations, priority_class,
                  queue, user, labels, annotations);
}
auto members(OneOf<ClusterExposure> auto& exposure) {
  auto& [service, node_port, ingress_host, ingress_class, ingress_tls_secret, gateway, gateway_host,
         route_host, network_policy] = exposure;
  return std::tie(service, node_port, ingress_host, ingress_class, ingress_tls_secret, gateway, gateway_host,
                  route_host, network_policy);
}
auto members(OneOf<ClusterAccess> auto& access) {
  auto& [context, registry, pod_remote, remote_secret, secrets, keep] = access;
  return std::tie(context, registry, pod_remote, remote_secret, secrets, keep);
}
auto members(OneOf<Step> auto& step) {
  auto& [name, group, matrix, mark, action, runs_on, image, network, place, needs, after, deps, inputs, outs,
         metrics, environment, secrets, tools, timeout, condition, finally, outcomes, retry, resources,
         processes, params, select] = step;
  return std::tie(name, group, matrix, mark, action, runs_on, image, network, place, needs, after, deps,
                  inputs, outs, metrics, environment, secrets, tools, timeout, condition, finally, outcomes,
                  retry, resources, processes, params, select);
}
auto members(OneOf<ModelSpec> auto& model) {
  auto& [name, from, gate, gate_text] = model;
  return std::tie(name, from, gate, gate_text);
}
auto members(OneOf<DeploySpec> auto& deploy) {
  auto& [alias, target, host, port, strategy, image, gateway_image, replicas, resources, command,
         container_port, model_in_image, most_replicas, place, exposure, deadline] = deploy;
  return std::tie(alias, target, host, port, strategy, image, gateway_image, replicas, resources, command,
                  container_port, model_in_image, most_replicas, place, exposure, deadline);
}

auto members(OneOf<RemoteSpec> auto& remote) {
  auto& [url, required] = remote;
  return std::tie(url, required);
}

void pack_head(const Spec& spec, Packer& packer) {
  const auto& [document, file, project, name, params, steps, groups, model, deploy, remote, cluster] = spec;
  packer.put(file.string());
  packer.put(project.string());
  packer.put(name);
  packer.put(params);
  packer.put(groups);
  packer.put(model);
  packer.put(deploy);
  packer.put(remote);
  packer.put(cluster);
}

Spec unpack_head(Unpacker& unpacker) {
  Spec spec;
  spec.file = unpacker.get<std::string>();
  spec.project = unpacker.get<std::string>();
  unpacker.get(spec.name);
  unpacker.get(spec.params);
  unpacker.get(spec.groups);
  unpacker.get(spec.model);
  unpacker.get(spec.deploy);
  unpacker.get(spec.remote);
  unpacker.get(spec.cluster);
  return spec;
}

void pack_step(const Step& step, Packer& packer) {
  packer.put(step);
}

Step unpack_step(Unpacker& unpacker) {
  return unpacker.get<Step>();
}

}  // namespace mlpipe
