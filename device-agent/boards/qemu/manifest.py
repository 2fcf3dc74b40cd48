freeze("../../ports/micropython/python")
