// Cards that are none: tensors on cuda:0 and cuda:1 whose memory is the machine's, and whose kernels are the CPU's.
//
// It answers in the place of torch's CUDA backend, in builds of torch without one. Each operation gets aliases of its
// tensors on the CPU; what comes out of it is on the card again. As on cards, tensors of several places do not mix.

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <array>
#include <atomic>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace {

using c10::Device;
using c10::DeviceIndex;
using c10::DispatchKey;
using c10::DispatchKeySet;
using c10::IValue;
using c10::Storage;
using c10::Stream;

constexpr auto kind = c10::DeviceType::CUDA;
constexpr DeviceIndex cards = 2;
constexpr int64_t size = int64_t{16} << 30;

struct Memory {
  std::atomic<int64_t> held{0}, peak{0}, most{size};
};

std::array<Memory, cards> memories;
thread_local DeviceIndex current = 0;

DeviceIndex number_of(Device device) { return device.has_index() ? device.index() : current; }

void take(DeviceIndex number, int64_t bytes) {
  auto& memory = memories.at(number);
  const int64_t now = memory.held += bytes;
  if (bytes > 0 && now > memory.most) {
    memory.held -= bytes;
    TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory. Tried to allocate ", bytes, " bytes.");
  }
  int64_t before = memory.peak;
  while (before < now && !memory.peak.compare_exchange_weak(before, now)) {
  }
}

DeviceIndex exchange(DeviceIndex number) {
  const auto before = current;
  if (number >= 0) {
    TORCH_CHECK(number < cards, "CUDA error: invalid device ordinal");
    current = number;
  }
  return before;
}

struct Guard final : c10::impl::DeviceGuardImplInterface {
  Guard() = default;
  explicit Guard(c10::DeviceType) {}
  c10::DeviceType type() const override { return kind; }
  Device exchangeDevice(Device device) const override { return Device(kind, exchange(device.index())); }
  Device getDevice() const override { return Device(kind, current); }
  void setDevice(Device device) const override { exchange(device.index()); }
  void uncheckedSetDevice(Device device) const noexcept override { current = number_of(device); }
  Stream getStream(Device device) const override { return Stream(Stream::DEFAULT, Device(kind, number_of(device))); }
  Stream getDefaultStream(Device device) const override { return getStream(device); }
  Stream exchangeStream(Stream stream) const override { return stream; }
  DeviceIndex deviceCount() const noexcept override { return cards; }
  bool queryStream(const Stream&) const override { return true; }
  void synchronizeStream(const Stream&) const override {}
  void synchronizeDevice(DeviceIndex) const override {}
  void recordDataPtrOnStream(const c10::DataPtr&, const Stream&) const override {}
};

C10_REGISTER_GUARD_IMPL(CUDA, Guard)

// Draws with the CPU's algorithm, and, as a card does, other noise of the same seed.
struct CardGenerator final : c10::GeneratorImpl {
  CardGenerator(at::Generator of, Device device)
      : c10::GeneratorImpl(device, DispatchKeySet(DispatchKey::CUDA)), on_cpu(std::move(of)) {}
  void set_current_seed(uint64_t seed) override {
    seed_ = seed;
    on_cpu.set_current_seed(seed + 0x5eed);
  }
  void set_offset(uint64_t offset) override { on_cpu.set_offset(offset); }
  uint64_t get_offset() const override { return on_cpu.get_offset(); }
  uint64_t current_seed() const override { return seed_; }
  uint64_t seed() override { return on_cpu.seed(); }
  void set_state(const c10::TensorImpl& state) override { on_cpu.unsafeGetGeneratorImpl()->set_state(state); }
  c10::intrusive_ptr<c10::TensorImpl> get_state() const override {
    return on_cpu.unsafeGetGeneratorImpl()->get_state();
  }
  CardGenerator* clone_impl() const override { return new CardGenerator(on_cpu.clone(), device()); }

  at::Generator on_cpu;

 private:
  uint64_t seed_ = 0;
};

at::Generator generator(DeviceIndex number) {
  const Device device(kind, number < 0 ? current : number);
  return at::make_generator<CardGenerator>(at::detail::createCPUGenerator(), device);
}

struct CUDAHooks final : at::CUDAHooksInterface {
  explicit CUDAHooks(at::CUDAHooksArgs) {}
  void init() const override {}
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(DeviceIndex) const override { return true; }
  bool hasCUDA() const override { return true; }
  int getNumGPUs() const override { return cards; }
  DeviceIndex deviceCount() const override { return cards; }
  DeviceIndex current_device() const override { return current; }
  DeviceIndex getCurrentDevice() const override { return current; }
  void setCurrentDevice(DeviceIndex number) const override { exchange(number); }
  DeviceIndex exchangeDevice(DeviceIndex number) const override { return exchange(number); }
  DeviceIndex maybeExchangeDevice(DeviceIndex number) const override { return exchange(number); }
  c10::Allocator* getPinnedMemoryAllocator() const override { return c10::GetCPUAllocator(); }
  at::Generator getNewGenerator(DeviceIndex number) const override { return generator(number); }
  const at::Generator& getDefaultGenerator(DeviceIndex number) const override {
    static const std::array<at::Generator, cards> all{generator(0), generator(1)};
    return all.at(number < 0 ? current : number);
  }
};

using at::CUDAHooksRegistry;
using at::RegistererCUDAHooksRegistry;
REGISTER_CUDA_HOOKS(CUDAHooks)

// What keeps a storage alive whose memory another one shares, on a card or off it.
struct Kept {
  Storage storage;
  Device device;
};

void release(void* kept) {
  auto* one = static_cast<Kept*>(kept);
  if (one->device.is_cuda()) {
    memories.at(one->device.index()).held -= one->storage.nbytes();
  }
  delete one;
}

c10::DataPtr memory_of(const Storage& storage, Device device) {
  if (device.is_cuda()) {
    take(device.index(), storage.nbytes());
  }
  return c10::DataPtr(const_cast<void*>(storage.data()), new Kept{storage, device}, &release, device);
}

// The memory of a storage, as one on another device; it lives as long as either.
Storage same_memory(const Storage& storage, Device device) {
  auto memory = memory_of(storage, device);
  return Storage(
      Storage::use_byte_size_t(), storage.nbytes(), std::move(memory), c10::GetCPUAllocator(), /*resizable=*/true);
}

at::Tensor like(const at::Tensor& tensor, Storage storage, DispatchKey key) {
  auto made = at::detail::make_tensor<c10::TensorImpl>(std::move(storage), DispatchKeySet(key), tensor.dtype());
  made.unsafeGetTensorImpl()->set_sizes_and_strides(tensor.sizes(), tensor.strides(), tensor.storage_offset());
  return made;
}

// One operation: aliases on the CPU of what it is given, and what it gives back on the card.
class Call {
 public:
  at::Tensor on_cpu(const at::Tensor& tensor) {
    if (!tensor.defined() || !tensor.is_cuda()) {
      return tensor;
    }
    meet(tensor.device());
    auto* key = tensor.storage().unsafeGetStorageImpl();
    auto found = cpu_.find(key);
    if (found == cpu_.end()) {
      found = cpu_.emplace(key, same_memory(tensor.storage(), Device(c10::DeviceType::CPU))).first;
      card_.emplace(found->second.unsafeGetStorageImpl(), tensor);
    }
    auto alias = like(tensor, found->second, DispatchKey::CPU);
    alias._set_conj(tensor.is_conj());
    alias._set_neg(tensor.is_neg());
    given_.emplace(alias.unsafeGetTensorImpl(), tensor);
    aliases_.push_back(alias);
    return alias;
  }

  at::Tensor on_card(const at::Tensor& tensor) {
    if (!tensor.defined() || tensor.is_cuda()) {
      return tensor;
    }
    const auto given = given_.find(tensor.unsafeGetTensorImpl());
    if (given != given_.end()) {
      return given->second;
    }
    const auto view = card_.find(tensor.storage().unsafeGetStorageImpl());
    if (view != card_.end()) {
      const auto& base = view->second;  // whose keys say whether gradients are recorded
      auto made = at::detail::make_tensor<c10::TensorImpl>(
          c10::TensorImpl::VIEW, Storage(base.storage()), base.key_set(), tensor.dtype());
      made.unsafeGetTensorImpl()->set_sizes_and_strides(tensor.sizes(), tensor.strides(), tensor.storage_offset());
      return made;
    }
    const Device device(kind, number_ < 0 ? current : number_);
    return like(tensor, same_memory(tensor.storage(), device), DispatchKey::CUDA);
  }

  // Note on which card the operation runs; what it makes is there.
  void meet(Device device) {
    const auto number = number_of(device);
    TORCH_CHECK(
        number_ < 0 || number_ == number,
        "Expected all tensors to be on the same device, but found at least two devices, cuda:", int{number_}, " and cuda:",
        int{number}, "!");
    number_ = number;
  }

  bool on_a_card() const { return number_ >= 0; }

  // Operations may give a tensor another shape, and its storage more memory.
  void settle() {
    for (const auto& [key, storage] : cpu_) {
      if (storage.data() != key->data()) {
        key->set_data_ptr_noswap(memory_of(storage, key->device()));
        key->set_nbytes(storage.nbytes());
      }
    }
    for (const auto& alias : aliases_) {
      const auto& tensor = given_.at(alias.unsafeGetTensorImpl());
      if (alias.sizes() != tensor.sizes() || alias.strides() != tensor.strides()) {
        tensor.unsafeGetTensorImpl()->set_sizes_and_strides(alias.sizes(), alias.strides(), alias.storage_offset());
      }
    }
  }

 private:
  std::unordered_map<c10::StorageImpl*, Storage> cpu_;
  std::unordered_map<c10::StorageImpl*, at::Tensor> card_;
  std::unordered_map<c10::TensorImpl*, at::Tensor> given_;
  std::vector<at::Tensor> aliases_;
  DeviceIndex number_ = -1;
};

template <typename Change>
IValue changed(const IValue& value, const Change& change) {
  if (value.isTensor()) {
    return change(value.toTensor());
  }
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor& tensor : value.toTensorVector()) {
      list.push_back(change(tensor));
    }
    return list;
  }
  if (value.isOptionalTensorList()) {
    c10::List<std::optional<at::Tensor>> list;
    for (const std::optional<at::Tensor>& tensor : value.toOptionalTensorVector()) {
      list.push_back(tensor ? std::optional<at::Tensor>(change(*tensor)) : std::nullopt);
    }
    return list;
  }
  return value;
}

// What takes tensors of the CPU beside those of a card: indices, and what moves data.
bool mixes(const std::string& name) {
  static const std::unordered_set<std::string> known{
      "aten::index", "aten::index_put_", "aten::_index_put_impl_", "aten::copy_", "aten::set_", "aten::lift_fresh"};
  return known.count(name) > 0;
}

void run_on_cpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const auto& name = op.schema().name();
  const size_t count = op.schema().arguments().size();
  const size_t start = stack->size() - count;
  Call call;
  std::string other;
  std::optional<Device> draws;
  const auto change = [&](const at::Tensor& tensor) {
    if (tensor.defined() && !tensor.is_cuda() && tensor.dim() > 0) {
      other = tensor.device().str();
    }
    return call.on_cpu(tensor);
  };
  for (size_t at = start; at < stack->size(); ++at) {
    IValue& value = (*stack)[at];
    if (value.isDevice() && value.toDevice().is_cuda()) {
      call.meet(value.toDevice());
      value = Device(c10::DeviceType::CPU);
    } else if (value.isGenerator()) {
      const auto generator = value.toGenerator();
      draws = generator.device();
      if (const auto* ours = dynamic_cast<const CardGenerator*>(generator.unsafeGetGeneratorImpl())) {
        value = ours->on_cpu;
      }
    } else {
      value = changed(value, change);
    }
  }
  TORCH_CHECK(
      !call.on_a_card() || other.empty() || mixes(name),
      "Expected all tensors to be on the same device, but found at least two devices, a card and ", other, "! (", name, ")");
  TORCH_CHECK(
      !draws || draws->is_cuda() == call.on_a_card(),
      "Expected a '", call.on_a_card() ? "cuda" : "cpu", "' device type for generator but found '", draws->type(), "'");
  {
    at::AutoDispatchBelowADInplaceOrView below;
    op.callBoxed(*stack);
  }
  call.settle();
  const size_t returned = op.schema().returns().size();
  for (size_t at = stack->size() - returned; at < stack->size(); ++at) {
    (*stack)[at] = changed((*stack)[at], [&](const at::Tensor& tensor) { return call.on_card(tensor); });
  }
}

at::Tensor& copy(at::Tensor& self, const at::Tensor& source, bool) {
  Call to, from;
  to.on_cpu(self).copy_(from.on_cpu(source));
  return self;
}

at::Tensor empty_strided(
    at::IntArrayRef size,
    at::IntArrayRef stride,
    std::optional<at::ScalarType> dtype,
    std::optional<at::Layout>,
    std::optional<Device> device,
    std::optional<bool>) {
  Call call;
  call.meet(device.value_or(Device(kind, current)));
  return call.on_card(at::empty_strided(size, stride, at::TensorOptions().dtype(dtype)));
}

at::Tensor empty(
    at::IntArrayRef size,
    std::optional<at::ScalarType> dtype,
    std::optional<at::Layout>,
    std::optional<Device> device,
    std::optional<bool>,
    std::optional<at::MemoryFormat> format) {
  Call call;
  call.meet(device.value_or(Device(kind, current)));
  return call.on_card(at::empty(size, at::TensorOptions().dtype(dtype), format));
}

}  // namespace

TORCH_LIBRARY_IMPL(_, CUDA, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&run_on_cpu>()); }

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
  m.impl("copy_", &copy);
  m.impl("empty.memory_format", &empty);
  m.impl("empty_strided", &empty_strided);
  for (const char* name : {"convolution", "_convolution", "convolution_backward"}) {
    m.impl(name, torch::CppFunction::makeFromBoxedFunction<&run_on_cpu>());
  }
}

TORCH_LIBRARY(card, m) {
  m.def("count() -> int", []() -> int64_t { return cards; });
  m.def("current() -> int", []() -> int64_t { return current; });
  m.def("exchange(int card) -> int", [](int64_t card) -> int64_t { return exchange(static_cast<DeviceIndex>(card)); });
  m.def("size() -> int", []() -> int64_t { return size; });
  m.def("limit(int card, int bytes) -> ()", [](int64_t card, int64_t bytes) { memories.at(card).most = bytes; });
  m.def("held(int card) -> int", [](int64_t card) -> int64_t { return memories.at(card).held; });
  m.def("peak(int card) -> int", [](int64_t card) -> int64_t { return memories.at(card).peak; });
  m.def("forget_peak(int card) -> ()", [](int64_t card) { memories.at(card).peak = memories.at(card).held.load(); });
}
