module counter(input clk, input reset, input [3:0] step, output reg [7:0] count, output wrap);
    wire [8:0] next = count + step;
    assign wrap = next[8];
    always @(posedge clk)
        if (reset) count <= 0;
        else count <= next[7:0];
endmodule
