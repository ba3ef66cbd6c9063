internal import CClozeONNX
internal import ClozeIO

/// Building a graph from a parsed model.
extension Graph {
  /// Copies nodes, values and attributes, puts the nodes in topological order, and opens the tensors.
  ///
  /// - Throws: `.damaged` unless every value has one producer and there is no cycle; `.unsupported` for an
  ///   unsupported IR version, operator set or sparse initializers; errors of external data.
  init(_ storage: ONNXStorage, folder: String?, path: String? = nil) throws(ClozeError) {
    let model = storage.model
    let info = cloze_onnx_get_info(model)
    irVersion = Int(info.ir_version)
    producer = String(info.producer_name)
    producerVersion = String(info.producer_version)
    for i in 0..<info.metadata_count {
      let entry = cloze_onnx_get_metadata(model, i)
      metadata.append((String(entry.key), String(entry.value)))
    }
    for i in 0..<info.opset_count {
      let entry = cloze_onnx_get_opset(model, i)
      let domain = String(entry.domain)
      if domain.isEmpty || domain == "ai.onnx" {
        opset = Swift.max(opset, Int(entry.version))
      } else {
        otherOpsets.append("\(domain) \(entry.version)")
      }
    }
    // Newer versions than the tested ones differ little and become a warning of the summary; older ones wrote
    // models differently.
    guard irVersion >= 3 else {
      throw ClozeError(.unsupported, "the file has IR version \(irVersion)", expected: "IR version 3 or newer")
    }
    guard opset >= 9 else {
      throw ClozeError(.unsupported, "the file uses operator set \(opset)", expected: "operator set 9 or newer")
    }

    try readTensors(storage, folder: folder, path: path)

    var ids: [String: ValueID] = [:]
    func id(_ text: cloze_onnx_text) -> ValueID {
      let name = String(text)
      if let known = ids[name] { return known }
      let new = names.count
      ids[name] = new
      names.append(name)
      producers.append(-1)
      uses.append([])
      return new
    }

    var defined: Set<ValueID> = []
    for i in 0..<info.initializer_count {
      let tensor = cloze_onnx_get_tensor(model, i)
      let value = id(tensor.name)
      guard initializers.updateValue(Int(i), forKey: value) == nil else {
        throw ClozeError(.damaged, "two initializers are named \"\(names[value])\"")
      }
      defined.insert(value)
    }
    for i in 0..<info.input_count {
      let input = cloze_onnx_get_input(model, i)
      let value = id(input.name)
      if initializers[value] != nil { continue }
      guard defined.insert(value).inserted else {
        throw ClozeError(.damaged, "two inputs are named \"\(names[value])\"")
      }
      inputs.append(Graph.describe(value, names[value], input) { cloze_onnx_get_input_dimension(model, i, $0) })
    }

    nodes.reserveCapacity(info.node_count)
    for i in 0..<info.node_count {
      let node = cloze_onnx_get_node(model, i)
      var domain = String(node.domain)
      if domain == "ai.onnx" { domain = "" }
      // `Lowering`'s own domain must not occur in a file.
      if domain == Lowering.domain { domain += " (of the file)" }
      var built = Node(
        name: String(node.name), op: String(node.op_type), domain: domain, inputs: [], outputs: [], attributes: [])
      for j in 0..<node.input_count {
        let text = cloze_onnx_get_node_input(model, i, j)
        if text.count == 0 {
          built.inputs.append(nil)
          continue
        }
        built.inputs.append(id(text))
      }
      for j in 0..<node.output_count {
        let text = cloze_onnx_get_node_output(model, i, j)
        if text.count == 0 {
          built.outputs.append(nil)
          continue
        }
        let value = id(text)
        guard defined.insert(value).inserted else {
          throw ClozeError(.damaged, "\"\(names[value])\" is the output of two nodes")
        }
        built.outputs.append(value)
      }
      for j in 0..<node.attribute_count {
        let attribute = cloze_onnx_get_node_attribute(model, i, j)
        built.attributes.append((String(attribute.name), Graph.attribute(attribute)))
      }
      nodes.append(built)
    }

    nodeCount = nodes.count
    try sort(given: Set(initializers.keys).union(inputs.map(\.value)))

    for i in 0..<info.output_count {
      let output = cloze_onnx_get_output(model, i)
      let value = id(output.name)
      guard defined.contains(value) else {
        throw ClozeError(.damaged, "the graph's output \"\(names[value])\" is not computed by any node")
      }
      outputs.append(Graph.describe(value, names[value], output) { cloze_onnx_get_output_dimension(model, i, $0) })
    }
    if info.sparse_count > 0 { throw ClozeError(.unsupported, "the file has sparse initializers") }
  }

  /// Sorts the nodes topologically, keeping the file's order where it is one already (some writers keep none),
  /// and records producer and uses of every value.
  private mutating func sort(given: Set<ValueID>) throws(ClozeError) {
    var makers = Array(repeating: -1, count: names.count)
    for (index, node) in nodes.enumerated() { for case let output? in node.outputs { makers[output] = index } }
    var missing = Array(repeating: 0, count: nodes.count)
    var followers: [[NodeID]] = Array(repeating: [], count: nodes.count)
    var sorted = true
    for (index, node) in nodes.enumerated() {
      for case let input? in node.inputs where !given.contains(input) {
        let maker = makers[input]
        guard maker >= 0 else {
          throw ClozeError(
            .damaged, "\(node.operation) \"\(node.name)\" uses \"\(names[input])\", which nothing computes")
        }
        if maker >= index { sorted = false }
        missing[index] += 1
        followers[maker].append(index)
      }
    }
    if !sorted {
      var order: [NodeID] = []
      order.reserveCapacity(nodes.count)
      var ready = nodes.indices.filter { missing[$0] == 0 }
      var next = 0
      while next < ready.count {
        let index = ready[next]
        next += 1
        order.append(index)
        for follower in followers[index] {
          missing[follower] -= 1
          if missing[follower] == 0 { ready.append(follower) }
        }
      }
      guard order.count == nodes.count else {
        let node = nodes.indices.first { missing[$0] > 0 } ?? 0
        throw ClozeError(.damaged, "\(nodes[node].operation) \"\(nodes[node].name)\" is part of a cycle")
      }
      nodes = order.map { nodes[$0] }
    }
    for (index, node) in nodes.enumerated() {
      for (position, input) in node.inputs.enumerated() {
        if let input { uses[input].append(Use(node: index, index: position)) }
      }
      for case let output? in node.outputs { producers[output] = index }
    }
  }

  private mutating func readTensors(_ storage: ONNXStorage, folder: String?, path: String?) throws(ClozeError) {
    let model = storage.model
    let count = cloze_onnx_get_info(model).tensor_count
    var regions: [ExternalData.Region] = []
    var regionOwners: [Int] = []
    var shapes: [[Int]] = []
    for i in 0..<count {
      let tensor = cloze_onnx_get_tensor(model, i)
      shapes.append((0..<tensor.rank).map { d in tensor.dims.map { Int($0[d]) } ?? 0 })
      guard let type = Tensor.ElementType(rawValue: tensor.element_type) else {
        tensors.append(nil)
        unreadTypes[Int(i)] = tensor.element_type
        continue
      }
      tensorBytes += Int(tensor.byte_count)
      if tensor.is_external != 0 {
        regions.append(
          ExternalData.Region(
            tensorName: String(tensor.name), location: String(tensor.external_location), offset: tensor.external_offset,
            count: tensor.byte_count))
        regionOwners.append(Int(i))
      }
      let place = UnsafeRawBufferPointer(start: tensor.data, count: tensor.data == nil ? 0 : Int(tensor.byte_count))
      tensors.append(
        Tensor(
          name: String(tensor.name), elementType: type, shape: shapes[Int(i)], place: place, file: storage.main,
          owner: storage))
    }
    let parts = try ExternalData.read(regions, folder: folder, model: path)
    for (index, part) in zip(regionOwners, parts) {
      guard let tensor = tensors[index] else { continue }
      tensors[index] = Tensor(
        name: tensor.name, elementType: tensor.elementType, shape: tensor.shape, place: part.place, file: part.file,
        owner: part.file)
    }
    // Reads the tensors that recognition inspects, so that errors of reading are thrown here.
    for case let tensor? in tensors where Probe.looksInto(tensor) { _ = try tensor.bytes() }
  }

  private static func attribute(_ attribute: cloze_onnx_attribute) -> Attribute {
    // Numbers of AttributeProto.AttributeType in onnx.proto.
    switch attribute.kind {
    case 1: return .float(attribute.float_value)
    case 2: return .int(Int(attribute.int_value))
    case 3: return .string(String(attribute.text))
    case 4: return attribute.tensor >= 0 ? .tensor(Int(attribute.tensor)) : .other
    case 5: return .graph
    case 6: return .floats(Array(UnsafeBufferPointer(start: attribute.floats, count: attribute.float_count)))
    case 7: return .ints(UnsafeBufferPointer(start: attribute.ints, count: attribute.int_count).map { Int($0) })
    default: return .other
    }
  }

  private static func describe(
    _ value: ValueID, _ name: String, _ proto: cloze_onnx_value, _ dimension: (Int) -> cloze_onnx_dimension
  ) -> Input {
    var input = Input(value: value, name: name, elementType: Int(proto.element_type), shape: nil, dimensionNames: [])
    if proto.rank >= 0 {
      let dims = (0..<Int(proto.rank)).map { dimension($0) }
      input.shape = dims.map { $0.value >= 0 ? Int($0.value) : nil }
      input.dimensionNames = dims.map { $0.value >= 0 ? "\($0.value)" : String($0.name) }
    }
    return input
  }
}
